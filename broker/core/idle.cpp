// What idle slots get when nothing is queued for them: work that others have and have not started,
// which is recalled; and then, where that is allowed, second attempts of fragments that run far
// longer than others.
#include <algorithm>

#include "broker/core/core.hpp"
#include "broker/core/scheduler.hpp"

namespace fanfold::broker {

namespace {
constexpr Duration worth_recalling =
    std::chrono::milliseconds(1);  // a recall is a round trip, and so is the dispatch after it
constexpr Duration look_interval = std::chrono::milliseconds(1);
constexpr Duration longest_interval = std::chrono::milliseconds(100);
constexpr Duration looking_costs = std::chrono::microseconds(
    1);  // for each thing looked at, at most: so looking takes little of all time

Duration duration_of(double nanoseconds) {
    return Duration(static_cast<Duration::rep>(std::min(nanoseconds, 1e15)));
}
}  // namespace

/// One look at the workers of a pool of which some slots are idle.
struct Core::Look {
    /// Something on loan that had better be elsewhere.
    struct Find {
        PeerId worker{};
        LentKey key{};
        Duration gain{};       // how much sooner it should be done
        bool started = false;  // its worker runs it, so only its tail can be had,
        bool overdue = false;  // and takes longer over it than it should
    };
    std::vector<Find> behind;  // what waits, or is the tail of what runs
    std::vector<Find> late;    // single fragments that are past their time for a second attempt
    std::size_t idle = 0;      // slots
    std::size_t seen = 0;
    Time again = Time::max();  // when there may be more to find
};

void Core::look_for_work() {
    if (now_ < next_look_ || now_ < no_look_before_) return;
    next_look_ = Time::max();
    std::size_t seen = 0;
    for (auto& [demand, pool] : pools_.all()) {
        if (pool.jobs.empty() || !pool.idle() || pool.has_ready()) continue;
        Look look;
        look_at(pool, look);
        std::ranges::sort(look.behind, std::ranges::greater{}, &Look::Find::gain);
        if (look.behind.size() > look.idle) look.behind.resize(look.idle);
        if (!look.behind.empty()) recall(look);
        else hedge(look);
        next_look_ = std::min(next_look_, look.again);
        seen += look.seen;
    }
    no_look_before_ = now_ + std::max<Duration>(look_interval, seen * looking_costs);
}

void Core::look_at(const Pool& pool, Look& look) {
    for (const Place& place : pool.places) {
        if (place.full) break;
        const Session& worker = *place.session;
        look.idle += worker.usable_slots() - worker.lent.size();
    }
    for (const PeerId& peer : pool.members) {
        ++look.seen;
        look_at(peer, sessions_.at(peer), pool, look);
    }
}

void Core::look_at(const PeerId& peer, const Session& worker, const Pool& pool, Look& look) {
    bool asked = worker.recall_until && lived_.now() < *worker.recall_until;
    std::uint32_t slots_left = worker.usable_slots();
    for (const auto& [key, chunk] : worker.lent) {
        bool started = slots_left > 0;
        if (started) --slots_left;
        ++look.seen;
        const Job* job = find(key.job);
        if (!job || job->pool != &pool || chunk.range.empty() || chunk.alone) continue;
        Duration since = lived_.now() - chunk.sent;
        Duration expected =
            duration_of(static_cast<double>(chunk.range.size()) * chunk.nanoseconds_each);
        Duration left = duration_of(static_cast<double>(chunk.fragments - (started ? 1 : 0)) *
                                    chunk.nanoseconds_each);
        bool overdue = since > expected;
        // What is late will be so for as long again, for all that is known: run times have long
        // tails.
        Duration gain = overdue   ? std::max(left, since / 2)
                        : started ? std::min(left, expected - since)
                                  : left;
        Look::Find found{
            .worker = peer, .key = key, .gain = gain, .started = started, .overdue = overdue};
        if (!started || chunk.fragments > 1) {
            if (gain >= worth_recalling && !asked) look.behind.push_back(found);
            look.again = std::min(
                look.again,
                now_ + std::clamp<Duration>(expected - since, worth_recalling, longest_interval));
        } else if (auto delay = hedge_delay(*job, worker)) {
            Duration before =
                duration_of(static_cast<double>(chunk.range.size() - 1) * chunk.nanoseconds_each);
            Duration due = before + *delay - since;
            if (due <= Duration(0)) look.late.push_back(found);
            look.again = std::min(look.again, now_ + (due > Duration(0) ? due : longest_interval));
        }
    }
}

// --- recall
// -------------------------------------------------------------------------------------------------------

/// Of a chunk that has not begun all is asked for; of one that runs late all but the fragment under
/// way; of another one the second half.
void Core::recall(const Look& look) {
    std::map<PeerId, std::vector<wire::JobRanges>> wanted;
    for (const Look::Find& found : look.behind) {
        const Job& job = *find(found.key.job);
        RangeSet ranges(
            job.lent_to(found.worker, sessions_.at(found.worker).lent.at(found.key).range));
        if (ranges.empty()) continue;
        Index keep = !found.started ? 0 : found.overdue ? 1 : (ranges.size() + 1) / 2;
        for (Range range : ranges.ranges()) {
            if (keep == 0) break;
            Range first{range.begin, std::min(range.end, range.begin + keep)};
            ranges.remove(first);
            keep -= first.size();
        }
        if (!ranges.empty())
            wanted[found.worker].push_back({.job = job.id, .ranges = ranges.ranges()});
    }
    for (auto& [peer, items] : wanted) {
        Session& worker = sessions_.at(peer);
        worker.recall_until = lived_.now() + limits::resend_after;
        note({.level = Level::debug,
              .what = "work recalled",
              .job = items.front().job,
              .peer = worker.name});
        send(peer, wire::Recall{.number = ++worker.recall, .items = std::move(items)});
    }
}

void Core::on_recalled(const PeerId& from, Session& worker, const wire::Done& done) {
    if (done.recall == worker.recall) worker.recall_until.reset();
    for (const wire::JobRanges& recalled : done.recalled) {
        Job* job = find(recalled.job);
        if (!job || !job->running()) continue;
        for (Range range : recalled.ranges) job->give_back(range, from);
        apply_changes(*job);
    }
}

// --- second attempts
// ----------------------------------------------------------------------------------------------

/// How long a fragment of the job may run before it is started a second time; nothing: for ever
/// (hedged requests: Dean, Barroso 2013).
std::optional<Duration> Core::hedge_delay(const Job& job, const Session& worker) const {
    const std::string& function = job.spec.function;
    switch (job.spec.hedging) {
        case wire::Hedging::never: return std::nullopt;
        case wire::Hedging::after: return job.spec.hedge_after;
        case wire::Hedging::by_function:
            if (!worker.idempotent.contains(function)) return std::nullopt;
            break;
        case wire::Hedging::automatic: break;
    }
    auto known = functions_.find(function);
    auto own = job.times.p95();
    return own || known == functions_.end() ? own : known->second.times.p95();
}

void Core::hedge(Look& look) {
    for (const Look::Find& found : look.late) {
        if (look.idle == 0) return;
        if (hedge_one(found.worker, found.key)) --look.idle;
    }
}

bool Core::hedge_one(const PeerId& first, const LentKey& key) {
    Job& job = *find(key.job);
    const LentChunk& chunk = sessions_.at(first).lent.at(key);
    auto parts = job.lent_to(first, chunk.range);
    if (parts.empty() || job.is_hedged(parts.front().begin)) return false;
    Index index = parts.front().begin;
    Function& function = functions_[job.spec.function];
    if (function.hedges < 1 || (job.gatherer.bytes.empty() || now_ < job.rests_until)) return false;
    bool must_say = job.spec.hedging == wire::Hedging::by_function;
    auto place = std::ranges::find_if(job.pool->places, [&](const Place& candidate) {
        return candidate.full ||
               (candidate.worker != first &&
                (!must_say || candidate.session->idempotent.contains(job.spec.function)));
    });
    if (place == job.pool->places.end() || place->full) return false;
    if (!job.payloads().in_memory(index)) return want(job, index), false;
    function.hedges -= 1;
    PeerId peer = place->worker;
    Session& worker = sessions_.at(peer);
    auto second = job.hedge(index, peer, ++worker.sequence);
    worker.lent[{worker.sequence, job.id}] = {.range = second.range,
                                              .nanoseconds_each = chunk.nanoseconds_each,
                                              .bytes_each = chunk.bytes_each,
                                              .sent = lived_.now()};
    apply_changes(job);
    note({.level = Level::info,
          .what = "second attempt",
          .job = job.id,
          .range = second.range,
          .peer = worker.name});
    send_chunk(job, peer, worker, std::move(second));
    return true;
}

}  // namespace fanfold::broker
