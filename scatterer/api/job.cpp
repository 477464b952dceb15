// The public Job: one user's view of one job.
#include <utility>

#include "scatterer/api/conversion.hpp"
#include "scatterer/api/holding.hpp"
#include "scatterer/api/job_state.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold {

namespace {
std::optional<Time> in(std::chrono::milliseconds at_most) {
    return net::Loop::now() + std::max(at_most, std::chrono::milliseconds(0));
}

template <class State>
State& of(const std::unique_ptr<State>& state) {
    return scatterer::held(state, "Job");
}
}  // namespace

Job::Job(std::unique_ptr<State> state) : state_(std::move(state)) {}
Job::Job(Job&&) noexcept = default;
Job& Job::operator=(Job&& other) noexcept {
    if (this == &other) return *this;
    scatterer::let_go(state_);
    state_ = std::move(other.state_);
    return *this;
}
Job::~Job() { scatterer::let_go(state_); }

const std::string& Job::id() const { return of(state_).id; }
std::string& Job::scratch() { return of(state_).scratch; }

void Job::add_packed(std::string_view object) {
    scatterer::Outbox& outbox = of(state_).scattering();
    if (wire::object_length(object) != object.size())
        throw FanfoldError("a payload of " + std::to_string(object.size()) +
                           " bytes is not one MessagePack object; pack it first, or use add()");
    outbox.add_packed(object);
}

void Job::add_text(std::string_view text) { of(state_).scattering().add_text(text); }
void Job::flush() { of(state_).scattering().flush(); }
void Job::seal() { of(state_).scattering().seal(); }
void Job::wait_accepted() { of(state_).scattering().wait_sealed(); }

bool Job::existed() const { return of(state_).found.has_value(); }
std::uint64_t Job::accepted_before() const { return of(state_).found ? of(state_).found->next : 0; }
JobOutcome Job::outcome_before() const {
    return of(state_).found ? scatterer::outcome_of(of(state_).found->outcome)
                            : JobOutcome::running;
}
bool Job::inputs_agree() const { return !of(state_).outbox || of(state_).outbox->inputs_agree(); }

std::optional<FragmentResult> Job::next() { return of(state_).next(); }
std::optional<ResultRun> Job::next_run() { return of(state_).next_run({}); }
std::optional<ResultRun> Job::next_run(std::chrono::milliseconds at_most) {
    return of(state_).next_run(in(at_most));
}

bool Job::ended() const {
    State& state = of(state_);
    std::lock_guard lock(state.gathering);
    bool rest = state.current && !state.current->failure && state.read_count < state.current->count;
    return !rest && state.waiting.empty() && state.link->inbox->finished();
}

JobEnd Job::wait() { return *of(state_).wait({}); }
std::optional<JobEnd> Job::wait_for(std::chrono::milliseconds at_most) {
    return of(state_).wait(in(at_most));
}

void Job::leave() {
    State& state = of(state_);
    if (state.outbox)
        state.link->inbox->stop(
            {scatterer::Stop::Kind::refused,
             "job " + state.id + " was let go of; it goes on without this client"});
}

void Job::cancel(const std::string& reason) {
    State& state = of(state_);
    state.cancelled = true;
    if (state.outbox) state.outbox->open();
    std::vector<scatterer::Event> events;
    if (state.watches) events.emplace_back(scatterer::WatchJob{state.job});
    events.emplace_back(scatterer::CancelJob{state.job, reason});
    state.client->post(state.job, std::move(events), state.link);
}

}  // namespace fanfold
