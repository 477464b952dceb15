#include "broker/dispatch/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include "broker/dispatch/scheduler.hpp"
#include "shared/wire/tolerance.hpp"

namespace fanfold::broker {

namespace {
/// Results are on their way, or wait to be collected, that fill the gatherer's memory.
bool window_full(const Job& job) {
    if (job.spec->attached && job.assignment->held_bytes > limits::held_results_bytes) return true;
    return job.unsafe_bytes() > static_cast<double>(limits::unsafe_results_bytes);
}
}  // namespace

// --- jobs

void Dispatcher::start(Time now, Job& job) {
    owners_.jobs.start(job);
    owners_.users.start(job);
    pools_.enter(job, owners_.sessions.all());
    inner_.enter(job);
    ready(now, job);
}

void Dispatcher::stop(Job& job) {
    for (const PeerId& peer : std::exchange(job.standing.write()->knowing, {})) {
        Session* worker = owners_.sessions.find(peer);
        if (!worker) continue;
        owners_.loads.set_concern(*worker, job.id, false);
        owners_.loads.erase_brief(*worker, job.id);
    }
    owners_.estimates.forget(job);
    owners_.troubles.forget(job);
    owners_.jobs.stop(job);
    owners_.users.stop(job);
    pools_.exit(job);
    inner_.exit(job);
}

void Dispatcher::ready(Time now, Job& job) {
    const Standing& standing = *job.standing;
    const std::uint64_t queued = job.books.queue().size();
    bool can_go = job.running() && queued > 0 && !job.assignment->gatherer.bytes.empty() &&
                  job.assignment->compared && now >= standing.rests_until && !past_tolerance(job);
    const std::uint32_t most = standing.share.max_running;
    if (!can_go || (most > 0 && job.books.loans().first().size() >= most)) return pools_.park(job);
    // Toward the end of the last job nothing of it waits at a worker: whoever has a slot first
    // takes it.
    const Pool& pool = *job.waiting->pool;
    // Nor does anything of an inner job, which could wait there behind a handler that waits for it.
    double each = owners_.estimates.each(job);
    const bool is_inner = !job.spec->outer.empty();
    bool plenty = pool.jobs.size() > 1 || queued > pool.slots ||
                  static_cast<double>(queued) * each < limits::short_work;
    pools_.ready(job, plenty && may_queue(each, pool.round_trip) && !is_inner);
    if (is_inner) inner_.want(job);
}

bool Dispatcher::past_tolerance(const Job& job) {
    auto most = wire::tolerated(*job.spec, job.total());
    return most && !job.books.settled().errors().empty() &&
           job.books.settled().failed().size() > *most;
}

void Dispatcher::await_verdict(Time now, Job& job) {
    auto most = wire::tolerated(*job.spec, job.total());
    if (most && job.books.settled().failed().size() > *most)
        job.standing.write()->rests_until = now + limits::verdict_patience;
}

void Dispatcher::adjust(Time now, Job& job, const wire::Adjust& adjust) {
    pools_.park(job);  // its turn moves
    wire::JobShare& share = job.standing.write()->share;
    share.priority = adjust.priority.value_or(share.priority);
    share.weight = adjust.weight.value_or(share.weight);
    share.max_running = adjust.max_running.value_or(share.max_running);
    ready(now, job);
}

void Dispatcher::apply(Step& step, Job& job) {
    Books::Changes changes = job.books.take_changes();
    if (!changes.loans.empty()) inner_.touch(job.id);
    owners_.payloads.settle(job, changes.settled);
    if (job.running() && !changes.struck.empty())
        owners_.persistence.tried(step, job, changes.struck);
    for (const LoanChange& change : changes.loans) {
        Session* worker = owners_.sessions.find(change.worker);
        if (!worker) continue;
        owners_.loads.change(*worker, job, change);
        place(step.now, step.lived, change.worker, *worker);
    }
    if (job.running()) ready(step.now, job);
}

// --- workers

void Dispatcher::join(const Step& step, const PeerId& peer, Session& worker) {
    pools_.join(peer, worker);
    place(step.now, step.lived, peer, worker);
}

void Dispatcher::place(Time now, LivedTime lived, const PeerId& peer, Session& worker) {
    std::optional<Place> place;
    if (worker.usable_slots() > 0 && worker.load->rests_until <= lived)
        place = Place{.full = !worker.has_free_slot(),
                      .load = load(worker),
                      .worker = peer,
                      .session = &worker};
    pools_.move(worker, std::move(place));
    for (Pool* pool : worker.membership->pools)
        for (const JobId& id : std::exchange(pool->choosy, {})) ready(now, owners_.jobs.at(id));
    moved_ = true;
}

void Dispatcher::wake(const Step& step) {
    pools_.measure(owners_.sessions.all());
    for (auto& [peer, session] : owners_.sessions.all()) {
        if (session.role != wire::Role::worker) continue;
        if (owners_.loads.look(step, session) || !session.membership->place)
            place(step.now, step.lived, peer, session);
    }
}

bool Dispatcher::add_brief(Job& job, const PeerId& peer, Session& worker) {
    if (!owners_.loads.add_brief(worker, job.id)) return false;
    job.standing.write()->knowing.insert(peer);
    return true;
}

// --- turns

/// Those of the highest priority first, and among these the one that was served least for its
/// weight, a chunk at a time (start-time fair queueing: Goyal, Vin, Cheng 1996). A job that had
/// nothing to run saves up no credit.
void Dispatcher::dispatch(Step& step) {
    while (Line* line = pools_.next()) {
        Job& job = *line->head->job;
        switch (lend_next(step, job, line->queueing)) {
            case Lending::lent: break;
            case Lending::not_wanted: pools_.stick(*line); break;
            case Lending::not_now: pools_.park(job); break;
        }
    }
    lend_to_hosts(step);
}

std::optional<Books::Head> Dispatcher::head(const Job& job, Queue::Kind queue) const {
    auto head = job.books.head(queue);
    if (!head || owners_.payloads.outputs_full(job) || owners_.users.results_full(job))
        return std::nullopt;
    if (!head->first_missing && window_full(job)) return std::nullopt;
    return head;
}

Dispatcher::Lending Dispatcher::lend_next(Step& step, Job& job, bool queueing) {
    auto why = Lending::not_now;
    for (Queue::Kind queue : {Queue::Kind::suspects, Queue::Kind::ordinary}) {
        auto head = this->head(job, queue);
        if (!head) continue;
        Pool& pool = *job.waiting->pool;
        const auto [place, passed_over] = best_worker(step.lived, job, *head, queueing);
        if (!place) {
            // Then only this job waits, and its line goes on.
            if (head->alone || passed_over) pool.choosy.insert(job.id);
            else why = Lending::not_wanted;
        } else if (!job.payload->blocks.in_memory(head->first)) {
            owners_.payloads.prefetch(step, job, head->first);
        } else {
            lend(step, job, *head, Place(*place), Room::slot);
            return Lending::lent;
        }
    }
    return why;
}

/// Inner jobs for which there is no free slot.
void Dispatcher::lend_to_hosts(Step& step) {
    for (const JobId& id : inner_.take_wanting()) {
        Job* job = owners_.jobs.find_running(id);
        if (!job || !job->waiting->line) continue;
        const PeerId* host = inner_.host_of(*job);
        if (!host) continue;
        if (owners_.sessions.at(*host).load->rests_until > step.lived) inner_.want(*job);
        else lend_to_host(step, *job, PeerId(*host));
    }
}

void Dispatcher::lend_to_host(Step& step, Job& job, const PeerId& host) {
    Session& worker = owners_.sessions.at(host);
    for (Queue::Kind queue : {Queue::Kind::suspects, Queue::Kind::ordinary}) {
        auto head = this->head(job, queue);
        if (!head || (head->alone && !bears_suspect(worker, head->exclusive))) continue;
        if (!job.payload->blocks.in_memory(head->first))
            return owners_.payloads.prefetch(step, job, head->first);
        return lend(step, job, *head, {.worker = host, .session = &worker}, Room::waiting_handler);
    }
}

/// Among workers without a free slot the first is nearly always the one. Whoever can't reach the
/// job's gatherer would keep its results for ever.
Dispatcher::Choice Dispatcher::best_worker(LivedTime lived, Job& job, const Books::Head& head,
                                           bool queueing) const {
    Choice choice;
    int left = limits::places_tried;
    for (const Place& place : job.waiting->pool->places) {
        const Session& worker = *place.session;
        const bool may_wait = queueing && !(place.full && is_awaited(lived, place, job));
        if (head.alone ? takes_suspect(worker, head.exclusive) : wants_work(worker, may_wait)) {
            if (worker.reaches(job.assignment->known.name) &&
                !owners_.troubles.is_avoided(job, head.first, place.worker, lived))
                return {.place = &place};
            choice.passed_over = true;
        }
        if (place.full && (head.alone || --left == 0)) break;
    }
    return choice;
}

bool Dispatcher::is_awaited(LivedTime lived, const Place& place, Job& by) const {
    const Session& worker = *place.session;
    const Turn turn(by);
    auto awaits = [&](const JobId& id) {
        Job& job = owners_.jobs.at(id);
        if (turn < Turn(job)) return false;
        auto head = this->head(job, Queue::Kind::suspects);
        return head && head->alone && bears_suspect(worker, head->exclusive) &&
               worker.reaches(job.assignment->known.name) &&
               !owners_.troubles.is_avoided(job, head->first, place.worker, lived);
    };
    return std::ranges::any_of(worker.membership->pools, [&](const Pool* pool) {
        const Line& line = pool->for_slots;
        const bool waits = line.stuck && !line.turns.empty() && *line.turns.begin() < turn;
        if (!waits && pool->choosy.empty()) return false;
        return pool->places.contains(place) && (waits || std::ranges::any_of(pool->choosy, awaits));
    });
}

void Dispatcher::lend(Step& step, Job& job, const Books::Head& head, const Place& to, Room room) {
    Session& worker = *to.session;
    const Blocks& blocks = job.payload->blocks;
    const Index end = std::min(head.end, blocks.block_end(head.first));
    const double each = owners_.estimates.each(job);
    const double pace = owners_.estimates.pace(job, worker);
    const double bytes_each = blocks.mean_bytes(head.first) + job.learnt->output_bytes;
    auto longest =
        static_cast<std::uint32_t>(std::min<Index>(end - head.first, limits::chunk_fragments));
    std::uint32_t count = chunk_size({.queued = job.books.queue().size(),
                                      .longest = longest,
                                      .slots = job.waiting->pool->slots,
                                      .nanoseconds_each = each,
                                      .pace = pace,
                                      .bytes_each = bytes_each});
    if (std::uint32_t most = job.standing->share.max_running; most > 0)
        count =
            std::min(count, most - static_cast<std::uint32_t>(job.books.loans().first().size()));
    Chunk chunk{.range = {head.first, head.first + count}, .dispatch = owners_.loads.next(worker)};
    Slice body = blocks.slice(chunk.range);
    chunk.attempt = job.books.lend(head, chunk.range, to.worker, chunk.dispatch);
    owners_.payloads.lent(step, job, chunk.range);
    owners_.loads.add(worker, {chunk.dispatch, job.id},
                      {.range = chunk.range,
                       .nanoseconds_each = each * pace,
                       .bytes_each = bytes_each,
                       .alone = head.alone,
                       .exclusive = head.exclusive,
                       .guest = room == Room::waiting_handler,
                       .waits = !worker.has_free_slot(),
                       .sent = step.lived});
    pools_.park(job);  // its turn moves
    Standing& standing = *job.standing.write();
    virtual_time_ = std::max(standing.served, virtual_time_);
    double charged = each > 0 ? std::max(each, limits::least_charged) : limits::while_unknown;
    standing.served = virtual_time_ + count * charged / standing.share.weight;
    owners_.estimates.earn(job, count);
    apply(step, job);
    send_chunk(step, job, to, chunk, std::move(body));
}

void Dispatcher::hedge(Step& step, Job& job, Index index, const Place& to, const LentChunk& like) {
    Session& worker = *to.session;
    Chunk chunk{.range = {index, index + 1}, .dispatch = owners_.loads.next(worker)};
    Slice body = job.payload->blocks.slice(chunk.range);
    chunk.attempt = job.books.hedge(index, to.worker, chunk.dispatch);
    owners_.loads.add(worker, {chunk.dispatch, job.id},
                      {.range = chunk.range,
                       .nanoseconds_each = like.nanoseconds_each,
                       .bytes_each = like.bytes_each,
                       .sent = step.lived});
    owners_.estimates.spend_second(job);
    apply(step, job);
    step.note({.level = Level::info,
               .what = "second attempt",
               .job = job.id,
               .range = chunk.range,
               .peer = worker.name});
    send_chunk(step, job, to, chunk, std::move(body));
}

void Dispatcher::send_chunk(Step& step, Job& job, const Place& to, const Chunk& chunk, Slice body) {
    Session& worker = *to.session;
    owners_.loads.set_concern(worker, job.id, true);
    wire::Dispatch message{.sequence = chunk.dispatch.sequence,
                           .job = job.id,
                           .first = chunk.range.begin,
                           .count = static_cast<std::uint32_t>(chunk.range.size()),
                           .attempt = chunk.attempt};
    if (add_brief(job, to.worker, worker))
        message.brief = wire::JobBrief{.spec = *job.spec,
                                       .assignment = job.assignment->number,
                                       .gatherer = job.assignment->known};
    step.note({.level = Level::debug,
               .what = "chunk dispatched",
               .job = job.id,
               .range = chunk.range,
               .peer = worker.name,
               .attempt = chunk.attempt});
    const bool in_parts = worker.knows_marks() && !worker.load->flow.is_quick(body.size());
    owners_.loads.send(step, worker, chunk.dispatch.sequence, body.size());
    step.send(to.worker, std::move(message), std::move(body), in_parts);
}

void Dispatcher::check_invariants() const {
    for (const JobId& id : owners_.jobs.running())
        FANFOLD_CHECK(owners_.jobs.at(id).waiting->pool->jobs.contains(id));
    pools_.check_invariants(owners_.sessions.all());
    Loads::check_invariants(owners_.jobs, owners_.sessions);
}

}  // namespace fanfold::broker
