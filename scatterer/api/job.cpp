// The public Job: one user's view of one job.
#include <utility>

#include "scatterer/api/conversion.hpp"
#include "scatterer/api/job_state.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold {

namespace {
std::optional<Time> in(std::chrono::milliseconds at_most) {
    return net::Loop::now() + std::max(at_most, std::chrono::milliseconds(0));
}
}  // namespace

Job::Job(std::unique_ptr<State> state) : state_(std::move(state)) {}
Job::Job(Job&&) noexcept = default;
Job& Job::operator=(Job&&) noexcept = default;
Job::~Job() = default;

const std::string& Job::id() const { return state_->id; }
std::string& Job::scratch() { return state_->scratch; }

void Job::add_packed(std::string_view object) {
    scatterer::Outbox& outbox = state_->scattering();
    if (wire::object_length(object) != object.size())
        throw FanfoldError("a payload of " + std::to_string(object.size()) +
                           " bytes is not one MessagePack object; pack it first, or use add()");
    outbox.add_packed(object);
}

void Job::add_text(std::string_view text) { state_->scattering().add_text(text); }
void Job::flush() { state_->scattering().flush(); }
void Job::seal() { state_->scattering().seal(); }
void Job::wait_accepted() { state_->scattering().wait_sealed(); }

bool Job::existed() const { return state_->found.has_value(); }
std::uint64_t Job::accepted_before() const { return state_->found ? state_->found->next : 0; }
JobOutcome Job::outcome_before() const {
    return state_->found ? scatterer::outcome_of(state_->found->outcome) : JobOutcome::running;
}
bool Job::inputs_agree() const { return !state_->outbox || state_->outbox->inputs_agree(); }

std::optional<FragmentResult> Job::next() { return state_->next(); }
std::optional<ResultRun> Job::next_run() { return state_->next_run({}); }
std::optional<ResultRun> Job::next_run(std::chrono::milliseconds at_most) {
    return state_->next_run(in(at_most));
}

bool Job::ended() const {
    std::lock_guard lock(state_->gathering);
    bool rest =
        state_->current && !state_->current->failure && state_->read_count < state_->current->count;
    return !rest && state_->waiting.empty() && state_->link->inbox->finished();
}

JobEnd Job::wait() { return *state_->wait({}); }
std::optional<JobEnd> Job::wait_for(std::chrono::milliseconds at_most) {
    return state_->wait(in(at_most));
}

void Job::leave() {
    if (state_->outbox)
        state_->link->inbox->stop(
            {scatterer::Stop::Kind::refused,
             "job " + state_->id + " was let go of; it goes on without this client"});
}

void Job::cancel(const std::string& reason) {
    if (state_->outbox) state_->outbox->open();
    std::vector<scatterer::Event> events;
    if (state_->watches) events.emplace_back(scatterer::WatchJob{state_->job});
    events.emplace_back(scatterer::CancelJob{state_->job, reason});
    state_->client->post(state_->job, std::move(events), state_->link);
}

}  // namespace fanfold
