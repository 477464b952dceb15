// The public Job: one user's view of one job.
#include <utility>

#include "scatterer/api/conversion.hpp"
#include "scatterer/api/state.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold {

namespace {
constexpr std::uint64_t tell_after = std::uint64_t{1} << 19;  // consumed bytes
constexpr std::uint64_t worth_telling =
    64 << 10;  // before waiting; less is told with the rest, or at the end

std::string range_text(const scatterer::Delivery& delivery) {
    return to_string(std::vector<Range>{{delivery.first, delivery.first + delivery.count}});
}

/// Short texts, the common case, are recognised without a walk.
bool is_one_object(std::string_view bytes) {
    auto tag = bytes.empty() ? 0u : static_cast<unsigned char>(bytes[0]);
    if (tag >= 0xa0 && tag <= 0xbf) return bytes.size() == 1 + (tag & 0x1fu);
    return wire::is_objects(bytes, 1);
}

std::optional<Time> in(std::chrono::milliseconds at_most) {
    return net::Loop::now() + std::max(at_most, std::chrono::milliseconds(0));
}
}  // namespace

Job::State::State(std::shared_ptr<scatterer::Client> its_client, JobId its_job)
    : client(std::move(its_client)),
      job(its_job),
      id(to_string(its_job)),
      link(std::make_shared<scatterer::JobLink>()) {
    link->inbox = std::make_shared<scatterer::Inbox>();
}

Job::State::~State() {
    std::vector<scatterer::Event> events;
    if (consumed_bytes > 0) events.emplace_back(scatterer::Consumed{job, consumed, consumed_bytes});
    if (link->outbox) {
        bool never_whole = !link->outbox->sealed();
        link->outbox->close();
        if (!link->outbox->opened()) return;  // nobody has heard of it
        if (attached || (never_whole && !has_key))
            events.emplace_back(scatterer::CancelJob{job, "its client let go of it"});
    }
    events.emplace_back(scatterer::CloseJob{job});
    client->post(job, std::move(events), link);
}

scatterer::Outbox& Job::State::scattering() {
    if (!link->outbox)
        throw FanfoldError("job " + id +
                           " was opened elsewhere; fragments are added where it was opened");
    return *link->outbox;
}

bool Job::State::advance(std::optional<Time> until) {
    if (current) {
        consumed = current->receipt;
        if (!current->told) consumed_bytes += current->body.size();
        current.reset();
        acknowledge(tell_after);
    }
    if (!collecting) collect();
    if (waiting.empty()) {
        acknowledge(worth_telling);
        if (link->outbox) {
            link->outbox->flush_own();
            link->outbox->open();
        }
        if (!client->take(*link, waiting, until) || waiting.empty()) return false;
    }
    current = std::move(waiting.front());
    waiting.pop_front();
    read_count = 0;
    read_bytes = 0;
    return true;
}

void Job::State::refuse_current() {
    std::string what = "job " + id + ": the results of fragments " + range_text(*current) +
                       " by worker '" + current->meta.worker + "' are not " +
                       std::to_string(current->count) + " MessagePack objects";
    current->failure.emplace();  // they are skipped by the next call
    throw FanfoldError(what);
}

void Job::State::collect() {
    collecting = true;
    if (link->outbox) link->outbox->open();
    std::vector<scatterer::Event> events;
    if (watches) events.emplace_back(scatterer::WatchJob{job});
    events.emplace_back(scatterer::CollectJob{job, how});
    client->post(job, std::move(events), link);
}

void Job::State::acknowledge(std::uint64_t at_least) {
    if (consumed_bytes < at_least) return;
    std::vector<scatterer::Event> events;
    events.emplace_back(scatterer::Consumed{job, consumed, std::exchange(consumed_bytes, 0)});
    client->post(job, std::move(events), link);
}

void Job::State::absorb() {
    std::unique_lock lock(gathering, std::try_to_lock);
    if (!lock || !collecting) return;  // somebody collects at this moment, or nobody has asked
    std::size_t before = waiting.size();
    link->inbox->take(waiting);
    if (waiting.size() == before) return;
    std::uint64_t bytes = 0;
    for (std::size_t i = before; i < waiting.size(); ++i) {
        bytes += waiting[i].body.size();
        waiting[i].told = true;
    }
    std::vector<scatterer::Event> events;
    events.emplace_back(scatterer::Consumed{job, waiting.back().receipt, bytes});
    client->post(job, std::move(events), link);
}

ResultRun Job::State::current_run() {
    const auto& delivery = *current;
    if (delivery.failure) return scatterer::run_of(*delivery.failure, delivery.body);
    ResultRun run;
    run.first = delivery.first + read_count;
    run.count = delivery.count - read_count;
    run.values = delivery.body.view().substr(read_bytes);
    run.owner = delivery.body.owner();
    run.worker = delivery.meta.worker;
    run.attempt = delivery.meta.attempt;
    run.started = std::chrono::microseconds(delivery.meta.started.count());
    run.elapsed = std::chrono::microseconds(delivery.meta.elapsed.count());
    read_count = delivery.count;
    return run;
}

FragmentResult Job::State::next_value() {
    const auto& delivery = *current;
    auto rest = delivery.body.view().substr(read_bytes);
    auto whole = wire::object_length(rest);
    bool last = read_count + 1 == delivery.count;
    if (!whole || (last && *whole != rest.size())) refuse_current();
    std::size_t length = *whole;
    FragmentResult result;
    result.index = delivery.first + read_count;
    result.packed = rest.substr(0, length);
    result.attempt = delivery.meta.attempt;
    result.worker = delivery.meta.worker;
    result.started = std::chrono::microseconds(delivery.meta.started.count());
    result.elapsed = std::chrono::microseconds(delivery.meta.elapsed.count());
    read_bytes += length;
    ++read_count;
    return result;
}

std::optional<ResultRun> Job::State::next_run(std::optional<Time> until) {
    std::lock_guard lock(gathering);
    bool rest = current && !current->failure && read_count > 0 && read_count < current->count;
    if (rest || advance(until)) {
        bool sound = current->failure || wire::is_objects(current->body.view().substr(read_bytes),
                                                          current->count - read_count);
        if (!sound) refuse_current();
        return current_run();
    }
    if (auto refusal = link->inbox->refusal()) throw FanfoldError(*refusal);
    return std::nullopt;
}

std::optional<JobEnd> Job::State::wait(std::optional<Time> until) {
    while (next_run(until)) {
    }
    if (!link->inbox->finished()) return std::nullopt;
    return scatterer::end_of(*link->inbox->end());
}

// --- the public class
// -------------------------------------------------------------------------------------------

Job::Job(std::unique_ptr<State> state) : state_(std::move(state)) {}
Job::Job(Job&&) noexcept = default;
Job& Job::operator=(Job&&) noexcept = default;
Job::~Job() = default;

const std::string& Job::id() const { return state_->id; }
std::string& Job::scratch() { return state_->scratch; }

void Job::add_packed(std::string_view object) {
    scatterer::Outbox& outbox = state_->scattering();
    if (!is_one_object(object))
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
bool Job::inputs_agree() const {
    return !state_->link->outbox || state_->link->outbox->inputs_agree();
}

std::optional<FragmentResult> Job::next() {
    State& state = *state_;
    {
        std::lock_guard lock(state.gathering);
        bool rest =
            state.current && !state.current->failure && state.read_count < state.current->count;
        if (rest || state.advance({})) {
            if (state.current->failure)
                return *scatterer::run_of(*state.current->failure, state.current->body).failure;
            return state.next_value();
        }
    }
    if (auto refusal = state.link->inbox->refusal()) throw FanfoldError(*refusal);
    return std::nullopt;
}

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
    if (state_->link->outbox)
        state_->link->outbox->stop(
            "job " + state_->id + " was let go of; it goes on without this client",
            scatterer::Outbox::Stop::refused);
}

void Job::cancel(const std::string& reason) {
    if (state_->link->outbox) state_->link->outbox->open();
    std::vector<scatterer::Event> events;
    if (state_->watches) events.emplace_back(scatterer::WatchJob{state_->job});
    events.emplace_back(scatterer::CancelJob{state_->job, reason});
    state_->client->post(state_->job, std::move(events), state_->link);
}

}  // namespace fanfold
