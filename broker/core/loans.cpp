// What becomes of a job's loans: finished, failed, given back, lost with their worker, started a
// second time.
#include <algorithm>
#include <utility>

#include "broker/core/job.hpp"

namespace fanfold::broker {

namespace {
constexpr auto limbo_time =
    std::chrono::milliseconds(500);  // for results that their worker had pushed before it died
constexpr std::uint32_t suspicion_shrinks =
    256;  // a suspect's chunk is this much smaller than the one its worker died with

void append(std::vector<Range>& ranges, Range range) {
    if (!ranges.empty() && ranges.back().end == range.begin) ranges.back().end = range.end;
    else ranges.push_back(range);
}
}  // namespace

// --- on loan, and off
// -----------------------------------------------------------------------------------------

void Job::put_on_loan(Range range, Loan loan) {
    changes_.push_back({loan.worker, loan.sequence, static_cast<std::int64_t>(range.size())});
    loans_.assign(range, std::move(loan));
}

void Job::take_off_loan(Range range) {
    for (const auto& span : loans_.take(range))
        changes_.push_back({span.value.worker, span.value.sequence,
                            -static_cast<std::int64_t>(span.range.size())});
}

void Job::drop_hedges(Range range) {
    for (const auto& span : hedges_.take(range))
        changes_.push_back({span.value.worker, span.value.sequence,
                            -static_cast<std::int64_t>(span.range.size())});
}

/// The first attempts are gone. Where there is a second one, it is the only one from now on; the
/// rest is queued again, and returned.
std::vector<Range> Job::lose_loans(Range range) {
    take_off_loan(range);
    RangeSet left({range});
    for (const auto& span : hedges_.within(range)) {
        left.remove(span.range);
        hedges_.erase(span.range);
        loans_.assign(span.range, span.value);
    }
    for (Range part : left.ranges()) requeue(part);
    return left.ranges();
}

Job::Chunk Job::hedge(Index index, const PeerId& worker, std::uint64_t sequence) {
    Range one{index, index + 1};
    const Loan* first = loans_.at(index);
    FANFOLD_CHECK(first && first->worker != worker && !is_hedged(index));
    History history = history_.at(index) ? *history_.at(index) : History{};
    history.attempts = std::max(history.attempts, first->attempt) + 1;
    history_.assign(one, history);
    changes_.push_back({worker, sequence, 1});
    hedges_.assign(
        one, {.worker = worker, .sequence = sequence, .attempt = history.attempts, .alone = false});
    ++hedged;
    return {.range = one, .attempt = history.attempts, .body = blocks_.slice(one)};
}

// --- ended
// ----------------------------------------------------------------------------------------------------

Job::Releases Job::finish(Range range, const PeerId& worker) {
    Releases in_vain;
    auto move = [&](Range part) { finished_.assign(part, {worker}); };
    for (const auto& span : loans_.within(range)) {
        for (const auto& hedge : hedges_.within(span.range)) {
            if (span.value.worker != worker && hedge.value.worker != worker) continue;
            in_vain.emplace_back(
                span.value.worker == worker ? hedge.value.worker : span.value.worker, hedge.range);
            drop_hedges(hedge.range);
            take_off_loan(hedge.range);
            move(hedge.range);
        }
        if (span.value.worker != worker) continue;  // whoever is first at the gatherer wins
        for (Range part : loans_.of_within(worker, span.range)) {
            take_off_loan(part);
            move(part);
        }
    }
    for (Range part : unqueue(range))
        move(part);  // given up too early: the result exists after all
    return in_vain;
}

bool Job::fail_attempt(wire::Failure failure, Slice output, const PeerId& worker) {
    Range one{failure.index, failure.index + 1};
    auto is_of = [&](const Loan* loan) {
        bool adopted = loan && loan->sequence == 0;  // nobody here knows its attempt
        return loan && loan->worker == worker && (loan->attempt == failure.attempt || adopted);
    };
    bool second = is_of(hedges_.at(failure.index));
    if (!second && !is_of(loans_.at(failure.index))) return false;
    bool another_runs = is_hedged(failure.index);
    if (second) drop_hedges(one);
    else lose_loans(one);
    History history = *history_.at(failure.index);
    history.most = 0;  // its worker lived through it
    history.exclusive = false;
    ++history.failures;
    history_.assign(one, history);
    if (another_runs) return true;
    if (history.failures <= spec.retries) {
        struck_.push_back(failure.index);
        return true;
    }
    unqueue(one);
    make_final(std::move(failure), std::move(output));
    return true;
}

void Job::give_back(Range range, const PeerId& worker) {
    for (const auto& span : hedges_.of(worker)) drop_hedges(overlap(span.range, range));
    for (const auto& span : loans_.within(range)) {
        if (span.value.worker != worker) continue;
        // It was never started, so the attempt does not count.
        std::uint32_t used = span.value.attempt - 1;
        bool fresh =
            used == 0 && !history_.at(span.range.begin) && hedges_.within(span.range).empty();
        if (fresh) {
            take_off_loan(span.range);
            queued_.add(span.range);
            continue;
        }
        for (Range part : lose_loans(span.range)) {
            for (auto known : history_.within(part)) {
                known.value.attempts = used;
                history_.assign(known.range, known.value);
            }
        }
    }
}

// --- a worker is gone
// -----------------------------------------------------------------------------------------

void Job::lose_worker(const PeerId& worker, const std::string& name, Death death,
                      std::uint32_t crash_limit, Time now) {
    for (const auto& hedge : hedges_.of(worker)) drop_hedges(hedge.range);
    for (const auto& loan : loans_.of(worker)) {
        for (Range part : lose_loans(loan.range))
            if (death != Death::in_good_order)
                suspect({part, loan.value}, name, death, crash_limit);
    }
    for (const auto& kept : finished_.of(worker)) {
        finished_.erase(kept.range);
        limbo_.assign(kept.range, now + limbo_time);
        limbo_set_.add(kept.range);
    }
}

void Job::suspect(const SpanMap<Loan>::Span& loan, const std::string& worker, Death death,
                  std::uint32_t crash_limit) {
    unqueue(loan.range);
    suspects_.add(loan.range);
    for (auto known : history_.within(loan.range)) {
        History& history = known.value;
        history.most = std::max<std::uint32_t>(
            1, static_cast<std::uint32_t>(loan.range.size() / suspicion_shrinks));
        if (loan.value.alone && death == Death::in_company) history.exclusive = true;
        if (loan.value.alone && death == Death::counted) ++history.lone_crashes;
        history_.assign(known.range, history);
        if (history.lone_crashes < crash_limit) {
            if (history.lone_crashes > 0) struck_.push_back(known.range.begin);
            continue;
        }
        unqueue(known.range);
        wire::Failure failure;
        failure.index = known.range.begin;
        failure.attempt = loan.value.attempt;
        failure.kind = wire::FailureKind::crashed;
        failure.message = "its worker died each of the " + std::to_string(history.lone_crashes) +
                          " times that it ran alone";
        failure.worker = worker;
        make_final(std::move(failure), {});
    }
}

void Job::requeue_limbo(Time now) {
    for (const auto& span : limbo_.all()) {
        if (span.value > now) continue;
        limbo_.erase(span.range);
        limbo_set_.remove(span.range);
        requeue(span.range);
    }
}

std::optional<Time> Job::limbo_until() const {
    std::optional<Time> first;
    for (const auto& span : limbo_.all())
        if (!first || span.value < *first) first = span.value;
    return first;
}

void Job::rename_worker(const PeerId& old_id, const PeerId& new_id) {
    for (auto& span : loans_.of(old_id)) {
        take_off_loan(span.range);
        put_on_loan(span.range, {.worker = new_id,
                                 .sequence = 0,
                                 .attempt = span.value.attempt,
                                 .alone = span.value.alone});
    }
    for (auto& span : hedges_.of(old_id)) {
        drop_hedges(span.range);
        changes_.push_back({new_id, 0, static_cast<std::int64_t>(span.range.size())});
        hedges_.assign(
            span.range,
            {.worker = new_id, .sequence = 0, .attempt = span.value.attempt, .alone = false});
    }
    for (const auto& span : finished_.of(old_id)) finished_.assign(span.range, {new_id});
}

// --- what a worker says that it has
// ---------------------------------------------------------------------------

std::vector<Range> Job::reconcile(const PeerId& worker, std::uint64_t handled,
                                  const std::vector<Range>& held, const std::vector<Range>& kept) {
    std::vector<Range> let_go;
    RangeSet has(held);
    for (Range range : held) {
        RangeSet booked(loans_.of_within(worker, range));
        for (Range part : hedges_.of_within(worker, range)) booked.add(part);
        for (Range strange : booked.missing(range)) {
            RangeSet unwanted({strange});
            for (Range part : unqueue(strange)) {  // adopted: it runs there already
                unwanted.remove(part);
                adopt(part, worker);
            }
            for (Range part : unwanted.ranges()) append(let_go, part);
        }
    }
    RangeSet still(kept);
    for (Range range : kept) {
        finish(range, worker);
        for (Range part : limbo_set_.within(range)) {
            limbo_.erase(part);
            limbo_set_.remove(part);
            finished_.assign(part, {worker});
        }
        RangeSet unwanted({range});
        for (Range part : finished_.of_within(worker, range)) unwanted.remove(part);
        for (Range part : unwanted.ranges()) append(let_go, part);
    }
    // What it does not name: the dispatch, or what was said of it, was lost on the way.
    for (const auto& hedge : hedges_.of(worker)) {
        if (hedge.value.sequence > handled) continue;
        for (Range lost : has.missing(hedge.range)) drop_hedges(lost);
    }
    for (const auto& loan : loans_.of(worker)) {
        if (loan.value.sequence > handled) continue;
        for (Range lost : has.missing(loan.range)) lose_loans(lost);
    }
    for (const auto& span : finished_.of(worker)) {
        for (Range lost :
             still.missing(span.range)) {  // it has let go of results that are not safe
            finished_.erase(lost);
            requeue(lost);
        }
    }
    return let_go;
}

void Job::adopt(Range range, const PeerId& worker) {
    std::uint32_t attempt = 1;
    for (auto known : history_.within(range)) {  // it lives after all: no crash to count
        attempt = known.value.attempts;
        if (known.value.lone_crashes > 0) --known.value.lone_crashes;
        history_.assign(known.range, known.value);
    }
    put_on_loan(range, {.worker = worker, .sequence = 0, .attempt = attempt, .alone = false});
}

Job::Releases Job::gathered(const std::vector<Range>& ranges) {
    Releases releases;
    for (Range told : ranges) {
        Range range = overlap(told, {0, next_});
        for (const auto& span : finished_.within(range))
            releases.emplace_back(span.value.worker, span.range);
        for (const auto& span : loans_.within(range))
            releases.emplace_back(span.value.worker, span.range);
        for (const auto& span : hedges_.within(range))
            releases.emplace_back(span.value.worker, span.range);
        errors_.erase(errors_.lower_bound(range.begin), errors_.lower_bound(range.end));
        for (Range fresh : settled_.missing(range)) {
            finished_.erase(fresh);
            limbo_.erase(fresh);
            limbo_set_.remove(fresh);
            drop_hedges(fresh);
            take_off_loan(fresh);
            unqueue(fresh);
            safe_.add(fresh);
            settle(fresh, false);
        }
    }
    return releases;
}

}  // namespace fanfold::broker
