// The public Scatterer: connect, open, look around.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "scatterer/api/conversion.hpp"
#include "scatterer/api/holding.hpp"
#include "scatterer/api/job_state.hpp"
#include "scatterer/api/scatterer_state.hpp"
#include "shared/base/handler_thread.hpp"
#include "shared/base/machine.hpp"

namespace fanfold {

using scatterer::Client;
using scatterer::ClientOptions;

namespace {
std::optional<Keys> keys_in(const std::string& folder) {
    if (folder.empty()) return std::nullopt;
    auto keys = load_keys(folder);
    if (!keys) throw FanfoldError(keys.error().text);
    return *keys;
}

ClientOptions client_options(const ConnectOptions& options) {
    std::string broker = options.broker;
    if (broker.empty()) {
        const char* named = std::getenv("FANFOLD_BROKER");
        if (named) broker = named;
    }
    if (broker.empty())
        throw FanfoldError(
            "no broker is named; give its endpoint, such as tcp://127.0.0.1:7411, or set "
            "FANFOLD_BROKER");
    return {.broker = std::move(broker),
            .name = options.name,
            .connect_timeout = options.connect_timeout,
            .give_up = options.give_up,
            .keys = keys_in(keys_folder(options.keys)),
            .on_notice = options.on_notice};
}

JobId checked_id(const std::string& text) {
    auto job = parse_job_id(text);
    if (!job) throw FanfoldError(job.error().text + "; an id is a UUID of 36 characters");
    return *job;
}

/// One that is past the limit of texts names no job, whole or cut.
wire::Query query_for(const std::string& selector) {
    return {.topic = wire::Topic::jobs, .selector = selector.substr(0, limits::name_bytes)};
}

/// The job that a full id, `last`, or a unique beginning or end of an id names, as the broker knows
/// it.
JobStatus find_job(Client& client, const std::string& selector) {
    auto report = client.report(query_for(selector));
    if (!report) throw FanfoldError(report.error().text);
    if (selector.empty() || report->jobs.empty())
        throw FanfoldError("there is no job '" + selector +
                           "'; `fanfold jobs` lists those that the broker knows");
    if (report->jobs.size() > 1)
        throw FanfoldError("'" + selector + "' names " + std::to_string(report->jobs.size()) +
                           " jobs; write more of the id");
    return scatterer::status_of(report->jobs.front());
}

/// Makes calls of a job, one of which watches it, and waits until it has ended.
void watch_to_end(Client& client, const JobId& job, std::vector<scatterer::Event> calls) {
    auto link = std::make_shared<scatterer::JobLink>();
    client.post(job, std::move(calls), link);
    std::deque<scatterer::Delivery> nothing;
    link->inbox->take(nothing, {});
    auto refusal = link->inbox->refusal();
    client.post(job, {scatterer::CloseJob{job}}, link);
    if (refusal) throw FanfoldError(*refusal);
}
template <class State>
State& here(const std::unique_ptr<State>& state) {
    return scatterer::held(state, "Scatterer");
}
}  // namespace

Scatterer::Scatterer(ConnectOptions options)
    : state_(std::make_unique<State>(client_options(options))) {}
Scatterer::Scatterer(std::unique_ptr<State> state) : state_(std::move(state)) {}
Scatterer::Scatterer(Scatterer&&) noexcept = default;
Scatterer& Scatterer::operator=(Scatterer&& other) noexcept {
    if (this == &other) return *this;
    scatterer::let_go(state_);
    state_ = std::move(other.state_);
    return *this;
}
Scatterer::~Scatterer() { scatterer::let_go(state_); }

Job Scatterer::open(const std::string& function, JobOptions options) {
    using std::chrono::duration_cast, std::chrono::milliseconds;
    if (const HandlerThread* handler = HandlerThread::mine();
        handler && options.parent.attempts.empty())
        options.parent = handler->parent();
    scatterer::OpenJob opening{.job = {},
                               .token = random_number(),
                               .spec = scatterer::spec_of(function, options),
                               .collect = {}};
    if (options.attached) opening.collect = {.ordered = options.ordered, .now = false};
    if (!options.key.empty()) {
        auto found = here(state_).client->ask<wire::Found>(
            wire::Find{.key = options.key, .token = opening.token});
        if (!found) throw FanfoldError(found.error().text);
        if (found->job) return Job(here(state_).go_on(*found, std::move(opening), options));
    }
    // Of the system's generator, as the token is: nobody guesses another's job.
    opening.job = make_job_id(duration_cast<milliseconds>(microseconds_since_1970()),
                              random_number(), random_number());
    return Job(here(state_).begin(std::move(opening), options));
}

Job Scatterer::results(const std::string& job_id, bool ordered, bool now) {
    Client& client = *here(state_).client;
    JobId id = parse_job_id(job_id) ? checked_id(job_id) : checked_id(find_job(client, job_id).id);
    auto state = std::make_unique<Job::State>(here(state_).client, id);
    state->how = {.ordered = ordered, .now = now};
    state->collecting = true;
    client.post(id, {scatterer::WatchJob{id}, scatterer::CollectJob{id, state->how}}, state->link);
    state->link->inbox->wait_located();
    if (auto refusal = state->link->inbox->refusal()) throw FanfoldError(*refusal);
    return Job(std::move(state));
}

std::vector<JobStatus> Scatterer::jobs(const std::string& selector) {
    auto report = here(state_).client->report(query_for(selector));
    if (!report) throw FanfoldError(report.error().text);
    std::vector<JobStatus> jobs;
    for (const auto& info : report->jobs) jobs.push_back(scatterer::status_of(info));
    return jobs;
}

std::vector<WorkerStatus> Scatterer::workers() {
    auto report = here(state_).client->report(wire::Query{.topic = wire::Topic::workers});
    if (!report) throw FanfoldError(report.error().text);
    std::vector<WorkerStatus> workers;
    for (const auto& info : report->workers) workers.push_back(scatterer::status_of(info));
    return workers;
}

std::vector<GathererStatus> Scatterer::gatherers() {
    auto report = here(state_).client->report(wire::Query{.topic = wire::Topic::gatherers});
    if (!report) throw FanfoldError(report.error().text);
    std::vector<GathererStatus> gatherers;
    for (const auto& info : report->states) gatherers.push_back(scatterer::status_of(info));
    if (gatherers.empty())
        for (const auto& gatherer : report->gatherers)  // of a broker that tells no more
            gatherers.push_back(scatterer::status_of(wire::GathererInfo{.name = gatherer.name}));
    std::ranges::sort(gatherers, {}, &GathererStatus::name);
    return gatherers;
}

void Scatterer::drain(const std::string& gatherer, bool off) {
    if (wire::Welcome broker = here(state_).client->welcome(); broker.minor < wire::minor_of_moves)
        throw FanfoldError("the broker speaks protocol version 1." + std::to_string(broker.minor) +
                           ", and gatherers are drained since 1.10");
    auto drained =
        here(state_).client->ask<wire::Drained>(wire::Drain{.gatherer = gatherer, .off = off});
    if (!drained) throw FanfoldError(drained.error().text);
    if (!drained->refused.empty()) throw FanfoldError(drained->refused);
}

JobStatus Scatterer::wait(const std::string& job_id) {
    JobStatus status = find_job(*here(state_).client, job_id);
    if (status.outcome != JobOutcome::running) return status;
    JobId id = checked_id(status.id);
    watch_to_end(*here(state_).client, id, {scatterer::WatchJob{id}});
    return find_job(*here(state_).client, status.id);
}

JobStatus Scatterer::cancel(const std::string& job_id) {
    JobStatus status = find_job(*here(state_).client, job_id);
    if (status.outcome != JobOutcome::running) return status;
    JobId id = checked_id(status.id);
    watch_to_end(*here(state_).client, id,
                 {scatterer::WatchJob{id}, scatterer::CancelJob{id, "cancelled by a user"}});
    return status;
}

std::uint64_t Scatterer::cancel_fragments(
    const std::string& job_id, const std::vector<std::pair<std::uint64_t, std::uint64_t>>& ranges) {
    JobStatus status = find_job(*state_->client, job_id);
    if (status.outcome != JobOutcome::running)
        throw FanfoldError("job " + status.id + " has ended");
    wire::CancelFragments cancel{.job = checked_id(status.id), .reason = "cancelled by a user"};
    for (const auto& [begin, end] : ranges)
        if (begin < end) cancel.ranges.push_back({begin, end});
    if (std::uint64_t named = RangeSet(cancel.ranges).size(); named > limits::block_fragments)
        throw FanfoldError(std::to_string(named) + " fragments are named, " +
                           std::to_string(limits::block_fragments) +
                           " is the most at a time; name fewer, or cancel the job");
    if (wire::Welcome broker = state_->client->welcome(); broker.minor < 6)
        throw FanfoldError("the broker speaks protocol version 1." + std::to_string(broker.minor) +
                           ", and single fragments are cancelled since 1.6; cancel the whole job");
    auto cancelled = state_->client->ask<wire::FragmentsCancelled>(std::move(cancel));
    if (!cancelled) throw FanfoldError(cancelled.error().text);
    return cancelled->fragments;
}

JobStatus Scatterer::change(const std::string& job_id, const JobChange& change) {
    JobStatus status = find_job(*here(state_).client, job_id);
    wire::Adjust adjust{.job = checked_id(status.id)};
    adjust.priority = change.priority;
    adjust.weight = change.weight;
    adjust.max_running = change.max_running;
    auto adjusted = here(state_).client->ask<wire::Adjusted>(adjust);
    if (!adjusted) throw FanfoldError(adjusted.error().text);
    status.priority = adjusted->share.priority;
    status.weight = adjusted->share.weight;
    status.max_running = adjusted->share.max_running;
    return status;
}

JobRetry Scatterer::retry(const std::string& job_id) {
    JobStatus before = find_job(*here(state_).client, job_id);
    auto retried =
        here(state_).client->ask<wire::Retried>(wire::Retry{.job = checked_id(before.id)});
    if (retried) return {.round = retried->round, .fragments = retried->fragments};
    // It is asked again when no answer comes: this may be the refusal to do twice what was done the
    // first time.
    JobStatus after = find_job(*here(state_).client, before.id);
    if (after.round == before.round) throw FanfoldError(retried.error().text);
    return {.round = after.round,
            .fragments = after.total.value_or(after.accepted) - before.values};
}

void Scatterer::forget(const std::string& job_id) {
    JobStatus status = find_job(*here(state_).client, job_id);
    auto forgotten =
        here(state_).client->ask<wire::Forgotten>(wire::Forget{.job = checked_id(status.id)});
    if (!forgotten) throw FanfoldError(forgotten.error().text);
}

}  // namespace fanfold
