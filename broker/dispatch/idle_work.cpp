#include "broker/dispatch/idle_work.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace fanfold::broker {

namespace {
Duration duration_of(double nanoseconds) {
    return Duration(static_cast<Duration::rep>(std::min(nanoseconds, 1e15)));
}
}  // namespace

void IdleWork::scan(Step& step) {
    if (step.now < next()) return;
    next_ = Time::max();
    std::size_t seen = 0;
    for (auto& [demand, pool] : owners_.dispatcher.pools()) {
        if (pool.jobs.empty() || !pool.idle() || pool.has_ready()) continue;
        Scan found;
        scan(step, pool, found);
        std::ranges::sort(found.behind, std::ranges::greater{}, &Find::gain);
        if (found.behind.size() > found.idle) found.behind.resize(found.idle);
        if (!found.behind.empty()) recall(step, found);
        else
            for (const Find& late : found.late)
                if (found.idle > 0 && hedge(step, late)) --found.idle;
        next_ = std::min(next_, found.again);
        seen += found.seen;
    }
    not_before_ = step.now + std::max<Duration>(limits::scan_interval, seen * limits::scan_cost);
}

void IdleWork::scan(const Step& step, const Pool& pool, Scan& scan_of_pool) const {
    for (const Place& place : pool.places) {
        if (place.full) break;
        const Session& worker = *place.session;
        scan_of_pool.idle += worker.usable_slots() - worker.load->in_slots();
    }
    for (const PeerId& peer : pool.members) {
        ++scan_of_pool.seen;
        scan(step, peer, pool, scan_of_pool);
    }
}

void IdleWork::scan(const Step& step, const PeerId& peer, const Pool& pool,
                    Scan& scan_of_pool) const {
    const Session& worker = owners_.sessions.at(peer);
    const Recalls& recalls = *worker.recalls;
    bool asked = (recalls.until && step.lived < *recalls.until) ||
                 (recalls.sequence == worker.load->sequence && step.lived < recalls.rests_until);
    std::uint32_t slots_left = worker.usable_slots();
    auto look_again_in = [&](Duration time) {
        scan_of_pool.again = std::min(scan_of_pool.again, step.now + time);
    };
    for (const auto& [key, chunk] : worker.load->lent) {
        bool started = slots_left > 0 && !chunk.guest;  // nobody knows of a guest
        if (started) --slots_left;
        ++scan_of_pool.seen;
        const Job* job = owners_.jobs.find(key.job);
        if (!job || job->waiting->pool != &pool || chunk.range.empty() || chunk.alone) continue;
        auto time_of = [&, each = chunk.nanoseconds_each](auto fragments) {
            return duration_of(static_cast<double>(fragments) * each);
        };
        Duration since = step.lived - chunk.sent;
        Duration expected = time_of(chunk.range.size());
        Duration left = time_of(chunk.fragments - (started ? 1 : 0));
        bool overdue = since > expected;
        // What is late will be so for as long again, for all that is known: run times have long
        // tails.
        Duration gain = overdue   ? std::max(left, since / 2)
                        : started ? std::min(left, expected - since)
                                  : left;
        Find found{
            .worker = peer, .key = key, .gain = gain, .started = started, .overdue = overdue};
        if (!started || chunk.fragments > 1) {
            if (gain >= limits::worth_recalling && !asked) scan_of_pool.behind.push_back(found);
            look_again_in(std::clamp<Duration>(expected - since, limits::worth_recalling,
                                               limits::longest_scan_interval));
        } else if (auto delay = hedge_delay(*job, worker)) {
            Duration due = time_of(chunk.range.size() - 1) + *delay - since;
            if (due <= Duration(0)) scan_of_pool.late.push_back(found);
            look_again_in(due > Duration(0) ? due : limits::longest_scan_interval);
        }
    }
}

// --- recall

/// Of a chunk that has not begun all is asked for; of one that runs late all but the fragment under
/// way; of another one the second half.
RangeSet IdleWork::tail(const Find& found) const {
    const Range lent = owners_.sessions.at(found.worker).load->lent.at(found.key).range;
    const Job& job = owners_.jobs.at(found.key.job);
    RangeSet ranges(job.books.loans().first().of_within(found.worker, lent));
    Index keep = !found.started ? 0 : found.overdue ? 1 : (ranges.size() + 1) / 2;
    for (Range range : ranges.ranges()) {
        if (keep == 0) break;
        Range first{range.begin, std::min(range.end, range.begin + keep)};
        ranges.remove(first);
        keep -= first.size();
    }
    return ranges;
}

void IdleWork::recall(Step& step, const Scan& scan_of_pool) {
    std::map<PeerId, std::vector<wire::JobRanges>> wanted;
    for (const Find& found : scan_of_pool.behind)
        if (RangeSet ranges = tail(found); !ranges.empty())
            wanted[found.worker].push_back({.job = found.key.job, .ranges = ranges.ranges()});
    for (auto& [peer, items] : wanted) {
        Session& worker = owners_.sessions.at(peer);
        Recalls& recalls = *worker.recalls.write();
        recalls.until = step.lived + limits::resend_after;
        const bool again = std::exchange(recalls.sequence, worker.load->sequence) ==
                           worker.load->sequence;  // it has had nothing new since
        recalls.patience = std::clamp<Duration>(again ? 2 * recalls.patience : Duration(0),
                                                limits::recall_again, limits::resend_after);
        recalls.rests_until = step.lived + recalls.patience;
        step.note({.level = Level::debug,
                   .what = "work recalled",
                   .job = items.front().job,
                   .peer = worker.name});
        step.send(peer, wire::Recall{.number = ++recalls.number, .items = std::move(items)});
    }
}

void IdleWork::on_recalled(Step& step, const PeerId& from, Session& worker,
                           const wire::Done& done) {
    Recalls& recalls = *worker.recalls.write();
    if (done.recall == recalls.number) recalls.until.reset();
    if (!done.recalled.empty()) recalls.patience = {}, recalls.rests_until = {};
    for (const wire::JobRanges& recalled : done.recalled) {
        Job* job = owners_.jobs.find_running(recalled.job);
        if (!job) continue;
        for (Range range : recalled.ranges) job->books.give_back(range, from);
        owners_.dispatcher.apply(step, *job);
    }
}

// --- second attempts

/// How long a fragment of the job may run before it is started a second time; nothing: for ever
/// (hedged requests: Dean, Barroso 2013).
std::optional<Duration> IdleWork::hedge_delay(const Job& job, const Session& worker) const {
    switch (job.spec->hedging) {
        case wire::Hedging::never: return std::nullopt;
        case wire::Hedging::after: return job.spec->hedge_after;
        case wire::Hedging::by_function:
            if (!worker.offer.idempotent.contains(job.spec->function)) return std::nullopt;
            break;
        case wire::Hedging::automatic: break;
    }
    return owners_.estimates.p95(job);
}

bool IdleWork::hedge(Step& step, const Find& found) {
    Job& job = owners_.jobs.at(found.key.job);
    const LentChunk chunk = owners_.sessions.at(found.worker).load->lent.at(found.key);
    const Loans& loans = job.books.loans();
    auto parts = loans.first().of_within(found.worker, chunk.range);
    if (parts.empty() || loans.is_hedged(parts.front().begin)) return false;
    Index index = parts.front().begin;
    if (!owners_.estimates.has_second(job)) return false;
    if (job.assignment->gatherer.bytes.empty() || step.now < job.standing->rests_until ||
        Dispatcher::past_tolerance(job))
        return false;
    const Place* place = second_place(job, found.worker);
    if (!place) return false;
    if (!job.payload->blocks.in_memory(index))
        return owners_.payloads.prefetch(step, job, index), false;
    owners_.dispatcher.hedge(step, job, index, Place(*place), chunk);
    return true;
}

/// A free slot on another worker that may run the fragment too.
const Place* IdleWork::second_place(const Job& job, const PeerId& first) const {
    bool must_say = job.spec->hedging == wire::Hedging::by_function;
    for (const Place& place : job.waiting->pool->places) {
        if (place.full) return nullptr;
        if (place.worker != first && place.session->reaches(job.assignment->known.name) &&
            (!must_say || place.session->offer.idempotent.contains(job.spec->function)))
            return &place;
    }
    return nullptr;
}

}  // namespace fanfold::broker
