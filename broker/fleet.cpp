// Workers: chunks on loan to them, what comes back, and what happens when they die.
#include <algorithm>

#include "broker/core.hpp"
#include "broker/scheduler.hpp"

namespace fanfold::broker {

namespace {
constexpr std::uint32_t lost_after = 4;                       // inventories that don't count a dispatch, and then it is sent again
constexpr auto release_delay = std::chrono::milliseconds(2);  // letting go is off the path: told in batches
constexpr auto rest_of_a_full_worker = std::chrono::milliseconds(250);
constexpr double while_unknown = 1'000'000;  // nanoseconds of a fragment, for shares among jobs
constexpr double least_charged = 10;
const std::string commands_of_jobs = "fanfold.exec";  // each job's commands are other ones: no estimate is shared
}  // namespace

bool Core::offered(const std::string& function) const { return slots_for(function) > 0; }

std::uint64_t Core::slots_for(const std::string& function) const {
    std::uint64_t slots = 0;
    for (const auto& [peer, session] : sessions_)
        if (session.functions.contains(function)) slots += session.usable_slots();
    return slots;
}

double Core::estimate(const Job& job) const {
    if (job.estimate > 0 || job.spec.function == commands_of_jobs) return job.estimate;
    auto it = estimates_.find(job.spec.function);
    return it == estimates_.end() ? 0 : it->second;
}

// --- dispatch ---------------------------------------------------------------------------------------------------

void Core::start_running(Job& job) {
    running_.insert(job.id);
    turns_.insert(Turn(job));
}

void Core::stop_running(const Job& job) {
    running_.erase(job.id);
    turns_.erase(Turn(job));
}

/// Serves the jobs until no worker wants what is queued: those of the highest priority first, and among these the one that was served least
/// for its weight, a chunk at a time (start-time fair queueing: Goyal, Vin, Cheng 1996). A job that had nothing to run saves up no credit.
void Core::dispatch() {
    if (!std::exchange(dispatch_needed_, false)) return;
    for (auto turn = turns_.begin(); turn != turns_.end();) {
        Job& job = *find(turn->job);
        double nanoseconds = dispatch_one(job);
        if (nanoseconds <= 0) {
            ++turn;  // and nothing that follows makes a worker want more of it
            continue;
        }
        Turn before = *turn;
        turns_.erase(turn);
        virtual_time_ = std::max(job.served, virtual_time_);
        job.served = virtual_time_ + nanoseconds / job.share.weight;
        turns_.insert(Turn(job));
        turn = turns_.lower_bound(before);
    }
}

PeerId Core::best_worker(const Job& job, const Job::Head& head) const {
    PeerId best;
    double least = 0;
    double each = estimate(job);
    for (const auto& [peer, session] : sessions_) {
        if (session.role != wire::Role::worker || !session.functions.contains(job.spec.function)) continue;
        if (session.rests_until > lived_.now() || !wants_work(session, each)) continue;
        if (head.alone && !takes_suspect(session, head.exclusive)) continue;
        if (!best.bytes.empty() && load(session) >= least) continue;
        best = peer;
        least = load(session);
    }
    return best;
}

/// Lends one chunk of the job; returns how long it should take a slot, 0 when there is none to lend.
double Core::dispatch_one(Job& job) {
    if (job.gatherer.bytes.empty() || now_ < job.rests_until) return 0;
    if (job.share.max_running > 0 && job.lent_count() >= job.share.max_running) return 0;
    for (Job::Queue queue : {Job::Queue::suspects, Job::Queue::ordinary})
        if (auto head = job.head(queue))
            if (double nanoseconds = dispatch_head(job, *head); nanoseconds > 0) return nanoseconds;
    return 0;
}

/// Results are on their way, or wait to be collected, that fill the gatherer's memory.
bool Core::window_full(const Job& job) const {
    if (job.spec.attached && job.held_bytes > limits::held_results_bytes) return true;
    return job.unsafe_bytes() > static_cast<double>(limits::unsafe_results_bytes);
}

double Core::dispatch_head(Job& job, const Job::Head& head) {
    if (!head.first_missing && window_full(job)) return 0;
    PeerId peer = best_worker(job, head);
    if (peer.bytes.empty()) return 0;
    if (!job.payloads().in_memory(head.first)) return want(job, head.first), 0;
    Session& worker = sessions_.at(peer);

    std::uint32_t count = chunk_size({.queued = job.queued_count(),
                                      .longest = head.longest,
                                      .slots = slots_for(job.spec.function),
                                      .nanoseconds_each = estimate(job),
                                      .bytes_each = head.mean_bytes});
    if (job.share.max_running > 0) count = std::min(count, job.share.max_running - static_cast<std::uint32_t>(job.lent_count()));
    auto chunk = job.lend(head, count, peer, ++worker.sequence);
    if (options_.durable && held_bytes_ > options_.memory_bytes / 2) pass_on(job, chunk.range);
    worker.lent[worker.sequence] = {.fragments = 0,
                                    .nanoseconds_each = estimate(job),
                                    .bytes_each = head.mean_bytes,
                                    .alone = head.alone,
                                    .exclusive = head.exclusive,
                                    .sent = lived_.now()};
    apply_changes(job);
    worker.jobs.insert(job.id);
    wire::Dispatch message{.sequence = worker.sequence, .job = job.id, .first = head.first, .count = count, .attempt = chunk.attempt};
    if (job.knowing.insert(peer).second)
        message.brief = wire::JobBrief{.spec = job.spec, .assignment = job.assignment, .gatherer = job.gatherer_ref};
    note({.level = Level::debug,
          .what = "chunk dispatched",
          .job = job.id,
          .range = chunk.range,
          .peer = worker.name,
          .attempt = chunk.attempt});
    send(peer, std::move(message), std::move(chunk.body));
    double each = estimate(job);
    return count * (each > 0 ? std::max(each, least_charged) : while_unknown);
}

/// After anything that moved fragments: the sessions' sums and the memory follow the job's books.
void Core::apply_changes(Job& job) {
    account(job);
    persist_history(job);
    for (const LoanChange& change : job.take_loan_changes()) {
        auto it = sessions_.find(change.worker);
        if (it == sessions_.end()) continue;
        auto& lent = it->second.lent;
        LentChunk& chunk = lent[change.sequence];
        chunk.fragments += change.fragments;
        if (chunk.fragments <= 0) lent.erase(change.sequence);
        dispatch_needed_ = true;
    }
}

// --- what comes back --------------------------------------------------------------------------------------------

void Core::on_done(const PeerId& from, Session& worker, wire::Done& done, const Slice& body) {
    for (const wire::DoneRun& run : done.runs) {
        worker.finished += run.range.size();
        Job* job = find(run.job);
        if (!job || !job->running()) continue;
        job->finish(overlap(run.range, {0, job->next()}), from);
        apply_changes(*job);
        job->estimate = learn(job->estimate, run.range.size(), run.busy);
        if (!run.range.empty()) job->result_bytes = static_cast<double>(run.bytes) / static_cast<double>(run.range.size());
        if (job->spec.function != commands_of_jobs) {
            double& known = estimates_[job->spec.function];
            known = learn(known, run.range.size(), run.busy);
        }
        note({.level = Level::debug, .what = "chunk finished", .job = run.job, .range = run.range, .peer = worker.name, .took = run.busy});
    }
    std::size_t at = 0;
    for (wire::JobFailures& failed : done.failures) {
        Job* job = find(failed.job);
        for (wire::Failure& failure : failed.failures) {
            std::size_t size = std::min<std::size_t>(failure.output_bytes, body.size() - at);
            Slice output = body.sub(at, size);
            at += size;
            if (!job || !job->running()) continue;
            note({.level = Level::debug,
                  .what = "attempt failed",
                  .job = failed.job,
                  .range = {failure.index, failure.index + 1},
                  .peer = worker.name,
                  .attempt = failure.attempt,
                  .took = failure.elapsed,
                  .detail = failure.message});
            failure.worker = worker.name;
            failure.output_bytes = size;
            if (failure.kind == wire::FailureKind::failed) job->estimate = learn(job->estimate, 1, failure.elapsed);
            job->fail_attempt(std::move(failure), std::move(output), from);
        }
        if (!job || !job->running()) continue;
        apply_changes(*job);
        send_errors(*job, false);
    }
    for (const wire::JobRanges& returned : done.returned) {
        Job* job = find(returned.job);
        if (!job || !job->running()) continue;
        for (Range range : returned.ranges) job->give_back(range, from);
        apply_changes(*job);
        job->knowing.erase(from);  // perhaps it had no brief
        worker.rests_until = lived_.now() + rest_of_a_full_worker;
    }
}

void Core::on_inventory(const PeerId& from, Session& worker, const wire::Heartbeat& heartbeat) {
    worker.stuck_slots = heartbeat.stuck_slots;
    // The last dispatches of a broken connection are lost without a later one to show it. Should one arrive after all, it is past.
    std::uint64_t handled = heartbeat.handled;
    for (auto& [sequence, chunk] : worker.lent) {
        if (sequence <= heartbeat.handled || ++chunk.missed < lost_after) continue;
        if (lived_.now() - chunk.sent >= limits::resend_after) handled = std::max(handled, sequence);
    }
    struct Named {
        std::vector<Range> held, kept;
    };
    std::map<JobId, Named> named;
    for (const JobId& job : worker.jobs) named[job];
    for (const auto& item : heartbeat.held) named[item.job].held = item.ranges;
    for (const auto& item : heartbeat.kept) named[item.job].kept = item.ranges;
    wire::Release release;
    for (const auto& [id, items] : named) {
        Job* job = find(id);
        if (!job || !job->running()) {
            worker.jobs.erase(id);
            if (!items.held.empty() || !items.kept.empty()) send(from, wire::Drop{id});
            continue;
        }
        auto let_go = job->reconcile(from, handled, items.held, items.kept);
        apply_changes(*job);
        worker.jobs.insert(id);
        bool has_some = !items.held.empty() || !items.kept.empty();  // else its brief may have been lost on the way
        bool adopted = has_some && job->knowing.insert(from).second;
        // What an earlier life of this broker told it of the job may be so no more.
        if (adopted && options_.epoch.number > 1)
            send(from, wire::SendAgain{.job = id, .assignment = job->assignment, .gatherer = job->gatherer_ref, .ranges = items.kept});
        if (!let_go.empty()) release.items.push_back({id, std::move(let_go)});
    }
    if (!release.items.empty()) send(from, std::move(release));
}

void Core::lose_worker(const PeerId& peer, Session& worker, bool in_good_order) {
    auto suspects = std::ranges::count_if(worker.lent, [](const auto& lent) { return lent.second.alone; });
    auto death = in_good_order ? Job::Death::in_good_order : suspects > 1 ? Job::Death::in_company : Job::Death::counted;
    for (const JobId& id : running_) {
        Job& job = *find(id);
        job.knowing.erase(peer);
        if (!worker.jobs.contains(id)) continue;
        job.lose_worker(peer, worker.name, death, options_.crash_limit, now_);
        apply_changes(job);
        send_errors(job, false);
    }
    dispatch_needed_ = true;
    for (const JobId& id : running_) tell_notice(*find(id));
}

void Core::adopt_worker(const PeerId& old_id, const PeerId& new_id, Session& worker) {
    if (auto old = sessions_.find(old_id); old != sessions_.end()) {
        worker.jobs = old->second.jobs;
        worker.finished = old->second.finished;
        for (const JobId& id : running_) {
            Job& job = *find(id);
            job.rename_worker(old_id, new_id);
            apply_changes(job);
            job.knowing.erase(old_id);
        }
    }
    dispatch_needed_ = true;
    for (const JobId& id : running_) tell_notice(*find(id));
}

// --- letting go -------------------------------------------------------------------------------------------------

void Core::release(const PeerId& worker, const JobId& job, Range range) {
    auto it = sessions_.find(worker);
    if (it == sessions_.end()) return;
    auto& ranges = it->second.releases[job];
    if (!ranges.empty() && ranges.back().end == range.begin) ranges.back().end = range.end;
    else ranges.push_back(range);
    if (!flush_at_) flush_at_ = now_ + release_delay;
}

void Core::flush_releases() {
    flush_at_.reset();
    persist_safe();  // what is let go of must be known to be safe after a restart too
    for (auto& [peer, session] : sessions_) {
        if (session.releases.empty()) continue;
        wire::Release message;
        for (auto& [job, ranges] : session.releases) message.items.push_back({job, std::move(ranges)});
        session.releases.clear();
        send(peer, std::move(message));
    }
}

}  // namespace fanfold::broker
