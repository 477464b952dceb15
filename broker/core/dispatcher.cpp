// Workers: chunks on loan to them, what comes back, and what happens when they die.
#include <algorithm>

#include "broker/core/core.hpp"
#include "broker/core/scheduler.hpp"

namespace fanfold::broker {

namespace {
constexpr std::uint32_t lost_after =
    4;  // inventories that don't count a dispatch, and then it is sent again
constexpr auto release_delay =
    std::chrono::milliseconds(2);  // letting go is off the path: told in batches
constexpr auto rest_of_a_full_worker = std::chrono::milliseconds(250);
constexpr double while_unknown = 1'000'000;  // nanoseconds of a fragment, for shares among jobs
constexpr double short_work = 500'000;  // nanoseconds of a job's rest that are not worth a thought
constexpr int places_tried =
    4;  // among workers without a free slot; the first is nearly always the one
constexpr double least_charged = 10;
const std::string commands_of_jobs =
    "fanfold.exec";  // each job's commands are other ones: no estimate is shared
}  // namespace

double Core::estimate(const Job& job) const {
    if (job.times.each() > 0 || job.spec.function == commands_of_jobs) return job.times.each();
    auto it = functions_.find(job.spec.function);
    return it == functions_.end() ? 0 : it->second.times.each();
}

// --- dispatch
// ---------------------------------------------------------------------------------------------------

void Core::start_running(Job& job) {
    running_.insert(job.id);
    ++job.tenant->open_jobs;
    if (!job.total) ++job.tenant->unsealed_jobs;
    pools_.enter(job, sessions_);
    ready(job);
}

void Core::stop_running(Job& job) {
    running_.erase(job.id);
    --job.tenant->open_jobs;
    if (!job.total) --job.tenant->unsealed_jobs;
    pools_.exit(job);
}

/// The job stands in line, if it has something that could be lent now. To be called after whatever
/// may have changed that.
void Core::ready(Job& job) {
    bool can_go =
        job.running() && job.has_queued() && !job.gatherer.bytes.empty() && now_ >= job.rests_until;
    if (!can_go || (job.share.max_running > 0 && job.lent_count() >= job.share.max_running))
        return pools_.park(job);
    // Toward the end of the last job nothing of it waits at a worker: whoever has a slot first
    // takes it.
    double each = estimate(job);
    auto queued = static_cast<double>(job.queued_count());
    bool plenty = job.pool->jobs.size() > 1 || queued > static_cast<double>(job.pool->slots) ||
                  queued * each < short_work;
    pools_.ready(job, plenty && may_queue(each));
}

/// Serves the jobs until no worker wants what is queued: those of the highest priority first, and
/// among these the one that was served least for its weight, a chunk at a time (start-time fair
/// queueing: Goyal, Vin, Cheng 1996). A job that had nothing to run saves up no credit.
void Core::dispatch() {
    while (Line* line = pools_.next()) {
        Job& job = *line->head->job;
        switch (lend_next(job, line->queueing)) {
            case Lending::lent: break;
            case Lending::not_wanted: pools_.stick(*line); break;
            case Lending::not_now: pools_.park(job); break;
        }
    }
}

Core::Lending Core::lend_next(Job& job, bool queueing) {
    auto why = Lending::not_now;
    for (Job::Queue queue : {Job::Queue::suspects, Job::Queue::ordinary}) {
        auto head = job.head(queue);
        if (!head || (!head->first_missing && window_full(job))) continue;
        const Place* place = best_worker(*job.pool, *head, queueing);
        if (!place) {
            if (head->alone) job.pool->choosy.insert(job.id);
            else why = Lending::not_wanted;
        } else if (!job.payloads().in_memory(head->first)) {
            want(job, head->first);
        } else {
            lend(job, *head, PeerId(place->worker), *place->session);
            return Lending::lent;
        }
    }
    return why;
}

/// Results are on their way, or wait to be collected, that fill the gatherer's memory.
bool Core::window_full(const Job& job) const {
    if (job.spec.attached && job.held_bytes > limits::held_results_bytes) return true;
    return job.unsafe_bytes() > static_cast<double>(limits::unsafe_results_bytes);
}

const Place* Core::best_worker(const Pool& pool, const Job::Head& head, bool queueing) const {
    int left = places_tried;
    for (const Place& place : pool.places) {
        const Session& worker = *place.session;
        if (head.alone ? takes_suspect(worker, head.exclusive) : wants_work(worker, queueing))
            return &place;
        if (place.full && (head.alone || --left == 0)) break;
    }
    return nullptr;
}

void Core::lend(Job& job, const Job::Head& head, const PeerId& peer, Session& worker) {
    double each = estimate(job);
    auto known = worker.paces.find(job.spec.function);
    double pace = known == worker.paces.end() ? 1 : known->second;
    std::uint32_t count = chunk_size({.queued = job.queued_count(),
                                      .longest = head.longest,
                                      .slots = job.pool->slots,
                                      .nanoseconds_each = each,
                                      .pace = pace,
                                      .bytes_each = head.mean_bytes});
    if (job.share.max_running > 0)
        count =
            std::min(count, job.share.max_running - static_cast<std::uint32_t>(job.lent_count()));
    auto chunk = job.lend(head, count, peer, ++worker.sequence);
    if (options_.durable && held_bytes_ > options_.memory_bytes / 2) pass_on(job, chunk.range);
    worker.lent[{worker.sequence, job.id}] = {.fragments = 0,
                                              .range = chunk.range,
                                              .nanoseconds_each = each * pace,
                                              .bytes_each = head.mean_bytes,
                                              .alone = head.alone,
                                              .exclusive = head.exclusive,
                                              .sent = lived_.now()};
    pools_.park(job);  // its turn moves
    virtual_time_ = std::max(job.served, virtual_time_);
    job.served = virtual_time_ + count *
                                     (each > 0 ? std::max(each, least_charged) : while_unknown) /
                                     job.share.weight;
    functions_[job.spec.function].earn(count);
    apply_changes(job);
    send_chunk(job, peer, worker, std::move(chunk));
}

void Core::send_chunk(Job& job, const PeerId& peer, Session& worker, Job::Chunk chunk) {
    worker.jobs.insert(job.id);
    wire::Dispatch message{.sequence = worker.sequence,
                           .job = job.id,
                           .first = chunk.range.begin,
                           .count = static_cast<std::uint32_t>(chunk.range.size()),
                           .attempt = chunk.attempt};
    if (worker.briefs.insert(job.id).second) {
        job.knowing.insert(peer);
        message.brief = wire::JobBrief{
            .spec = job.spec, .assignment = job.assignment, .gatherer = job.gatherer_ref};
    }
    note({.level = Level::debug,
          .what = "chunk dispatched",
          .job = job.id,
          .range = chunk.range,
          .peer = worker.name,
          .attempt = chunk.attempt});
    send(peer, std::move(message), std::move(chunk.body));
}

/// After anything that moved fragments: the sessions' sums, the memory and the job's place in line
/// follow its books.
void Core::apply_changes(Job& job) {
    account(job);
    persist_history(job);
    for (const LoanChange& change : job.take_loan_changes()) {
        auto it = sessions_.find(change.worker);
        if (it == sessions_.end()) continue;
        change_lent(it->second, job, change);
        place(it->first, it->second);
    }
    if (job.running()) ready(job);
}

void Core::change_lent(Session& worker, const Job& job, const LoanChange& change) {
    LentKey key{change.sequence, job.id};
    LentChunk& chunk = worker.lent[key];
    auto fragments = static_cast<double>(change.fragments);
    worker.lent_work += fragments * chunk.nanoseconds_each;
    worker.lent_bytes += fragments * chunk.bytes_each;
    bool fresh = chunk.fragments == 0;
    chunk.fragments += change.fragments;
    bool gone = chunk.fragments <= 0;
    bool unknown = chunk.nanoseconds_each <= 0;
    if (fresh && unknown) ++worker.unknown_chunks;
    if (gone && unknown) --worker.unknown_chunks;
    for (const wire::Resource& resource : job.spec.resources) {
        if (fresh) worker.taken[resource.name] += resource.amount;
        if (gone) worker.taken[resource.name] -= resource.amount;
    }
    if (gone) worker.lent.erase(key);
    if (worker.lent.empty()) worker.lent_work = worker.lent_bytes = 0;
}

/// After a change of what could be had of a worker.
void Core::place(const PeerId& peer, Session& worker) {
    std::optional<Place> place;
    if (worker.usable_slots() > 0 && worker.rests_until <= lived_.now())
        place = Place{.full = !worker.has_free_slot(),
                      .load = load(worker),
                      .worker = peer,
                      .session = &worker};
    pools_.move(worker, std::move(place));
    for (Pool* pool : worker.pools)
        for (const JobId& id : std::exchange(pool->choosy, {})) ready(*find(id));
    if (!running_.empty()) next_look_ = std::min(next_look_, now_);
}

// --- what comes back
// --------------------------------------------------------------------------------------------

void Core::on_done(const PeerId& from, Session& worker, wire::Done& done, const Slice& body) {
    for (const wire::DoneRun& run : done.runs) {
        worker.finished += run.range.size();
        Job* job = find(run.job);
        if (!job || !job->running()) continue;
        Range finished = overlap(run.range, {0, job->next()});
        if (finished.empty()) continue;  // of no fragment that there is
        for (const auto& [other, range] : job->finish(finished, from))
            release(other, job->id, range);
        learn(*job, worker, finished.size(), run.busy);
        apply_changes(*job);
        job->result_bytes = static_cast<double>(run.bytes) / static_cast<double>(finished.size());
        note({.level = Level::debug,
              .what = "chunk finished",
              .job = run.job,
              .range = run.range,
              .peer = worker.name,
              .took = run.busy});
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
            if (failure.kind == wire::FailureKind::failed) job->times.learn(1, failure.elapsed);
            if (!job->fail_attempt(std::move(failure), std::move(output), from))
                pass_over(from, "Done with an attempt that is not on loan", failed.job);
        }
        if (!job || !job->running()) continue;
        apply_changes(*job);
        send_errors(*job, false);
    }
    for (const wire::JobRanges& returned : done.returned) {
        Job* job = find(returned.job);
        if (!job || !job->running()) continue;
        worker.rests_until = lived_.now() + rest_of_a_full_worker;
        for (Range range : returned.ranges) job->give_back(range, from);
        apply_changes(*job);
        job->knowing.erase(from);  // perhaps it had no brief
        worker.briefs.erase(job->id);
    }
    on_recalled(from, worker, done);
}

void Core::learn(Job& job, Session& worker, std::uint64_t count, Duration busy) {
    double expected = estimate(job) * static_cast<double>(count);
    double& pace = worker.paces.try_emplace(job.spec.function, 1).first->second;
    pace = learn_pace(pace, busy, expected);
    job.times.learn(count, busy);
    if (job.spec.function != commands_of_jobs)
        functions_[job.spec.function].times.learn(count, busy);
}

namespace {
/// What an inventory names of a job.
struct Named {
    JobId job;
    const std::vector<Range>* held;
    const std::vector<Range>* kept;
    bool has_some() const { return !held->empty() || !kept->empty(); }
};

/// Each job of which the worker names something or should, in their order.
std::vector<Named> all_named(const wire::Heartbeat& heartbeat, const Session& worker) {
    static const std::vector<Range> nothing;
    std::vector<Named> all;
    all.reserve(worker.jobs.size() + heartbeat.held.size() + heartbeat.kept.size());
    for (const JobId& job : worker.jobs) all.push_back({job, &nothing, &nothing});
    for (const auto& item : heartbeat.held) all.push_back({item.job, &item.ranges, &nothing});
    for (const auto& item : heartbeat.kept) all.push_back({item.job, &nothing, &item.ranges});
    std::ranges::sort(all, {}, &Named::job);
    auto end = all.begin();
    for (const Named& named : all) {
        if (end == all.begin() || std::prev(end)->job != named.job) {
            *end++ = named;
            continue;
        }
        Named& same = *std::prev(end);
        if (!named.held->empty()) same.held = named.held;
        if (!named.kept->empty()) same.kept = named.kept;
    }
    all.erase(end, all.end());
    return all;
}
}  // namespace

void Core::on_inventory(const PeerId& from, Session& worker, const wire::Heartbeat& heartbeat) {
    if (std::exchange(worker.stuck_slots, heartbeat.stuck_slots) != heartbeat.stuck_slots)
        place(from, worker);
    // The last dispatches of a broken connection are lost without a later one to show it. Should
    // one arrive after all, it is past.
    std::uint64_t handled = heartbeat.handled;
    for (auto& [key, chunk] : worker.lent) {
        if (key.sequence <= heartbeat.handled || ++chunk.missed < lost_after) continue;
        if (lived_.now() - chunk.sent >= limits::resend_after)
            handled = std::max(handled, key.sequence);
    }
    wire::Release release;
    for (const Named& named : all_named(heartbeat, worker)) {
        const JobId& id = named.job;
        Job* job = find(id);
        if (!job || !job->running()) {
            worker.jobs.erase(id);
            if (named.has_some()) send(from, wire::Drop{id});
            continue;
        }
        auto let_go = job->reconcile(from, handled, *named.held, *named.kept);
        apply_changes(*job);
        if (job->concerns(from)) worker.jobs.insert(id);
        else worker.jobs.erase(id);
        // Without any its brief may have been lost on the way.
        bool adopted = named.has_some() && worker.briefs.insert(id).second;
        if (adopted) job->knowing.insert(from);
        // What an earlier life of this broker told it of the job may be so no more.
        if (adopted && options_.epoch.number > 1)
            send(from, wire::SendAgain{.job = id,
                                       .assignment = job->assignment,
                                       .gatherer = job->gatherer_ref,
                                       .ranges = *named.kept});
        if (!let_go.empty()) release.items.push_back({id, std::move(let_go)});
    }
    if (!release.items.empty()) send(from, std::move(release));
}

void Core::lose_worker(const PeerId& peer, Session& worker, bool in_good_order) {
    auto suspects =
        std::ranges::count_if(worker.lent, [](const auto& lent) { return lent.second.alone; });
    auto death = in_good_order  ? Job::Death::in_good_order
                 : suspects > 1 ? Job::Death::in_company
                                : Job::Death::counted;
    for (const JobId& id : worker.briefs)
        if (Job* job = find(id)) job->knowing.erase(peer);
    for (const JobId& id : worker.sorted_jobs()) {
        Job* job = find(id);
        if (!job || !job->running()) continue;
        job->lose_worker(peer, worker.name, death, options_.crash_limit, now_);
        apply_changes(*job);
        send_errors(*job, false);
    }
}

void Core::adopt_worker(const PeerId& old_id, const PeerId& new_id, Session& worker) {
    auto old = sessions_.find(old_id);
    if (old == sessions_.end()) return;
    worker.jobs = old->second.jobs;
    for (const JobId& id : old->second.briefs)
        if (Job* job = find(id)) job->knowing.erase(old_id);
    worker.finished = old->second.finished;
    worker.paces = old->second.paces;
    for (const JobId& id : worker.sorted_jobs()) {
        Job* job = find(id);
        if (!job || !job->running()) continue;
        job->rename_worker(old_id, new_id);
        apply_changes(*job);
    }
}

/// A worker has come, or goes: jobs that had none to wait for have one, or have none any more.
void Core::tell_notices(const std::vector<Pool*>& pools, std::size_t members) {
    for (const Pool* pool : pools)
        if (pool->members.size() == members)
            for (const JobId& id : pool->jobs) tell_notice(*find(id));
}

// --- letting go
// -------------------------------------------------------------------------------------------------

void Core::release(const PeerId& worker, const JobId& job, Range range) {
    auto it = sessions_.find(worker);
    if (it == sessions_.end()) return;
    if (it->second.releases.empty()) releasing_.push_back(worker);
    auto& ranges = it->second.releases[job];
    if (!ranges.empty() && ranges.back().end == range.begin) ranges.back().end = range.end;
    else ranges.push_back(range);
    if (!flush_at_) flush_at_ = now_ + release_delay;
}

void Core::flush_releases() {
    flush_at_.reset();
    persist_safe();  // what is let go of must be known to be safe after a restart too
    for (const PeerId& peer : std::exchange(releasing_, {})) {
        auto it = sessions_.find(peer);
        if (it == sessions_.end()) continue;
        wire::Release message;
        for (auto& [job, ranges] : it->second.releases)
            message.items.push_back({job, std::move(ranges)});
        it->second.releases.clear();
        if (!message.items.empty()) send(peer, std::move(message));
    }
}

}  // namespace fanfold::broker
