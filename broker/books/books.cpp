#include "broker/books/books.hpp"

#include <algorithm>

namespace fanfold::broker {

using wire::FailureKind;

namespace {
void requeue(Queue& queue, Attempts& attempts, const std::vector<Range>& ranges) {
    for (Range range : ranges) {
        queue.add(range);
        attempts.queued_again(range);
    }
}
}  // namespace

void Books::accept(Index count) {
    queue_.add({next_, next_ + count});
    next_ += count;
}

// Blocks of which nothing was needed any more are not in the store: what lies between is known by
// its ranges and errors.
bool Books::restore(Restored rows) {
    next_ = rows.next;
    for (Range range : rows.blocks.ranges()) {
        queue_.add(range);
        next_ = std::max(next_, range.end);
    }
    for (FinalError& error : rows.errors) {
        Range one{error.failure.index, error.failure.index + 1};
        next_ = std::max(next_, one.end);
        if (settled_.both().contains(one.begin)) continue;
        for (Range part : queue_.take(one)) settled_now_.push_back({part, true});
        settled_.add_error(std::move(error));
    }
    for (Range range : rows.safe) {
        next_ = std::max(next_, range.end);
        for (Range fresh : settled_.both().missing(range)) {
            for (Range part : queue_.take(fresh)) settled_now_.push_back({part, false});
            settled_.add_safe(fresh);
        }
    }
    for (const auto& [index, history] : rows.tried)
        if (queue_.of(Queue::Kind::ordinary).contains(index)) attempts_.restore(index, history);
    return settled_.both().size() + queue_.size() == next_;
}

// --- dispatch

std::optional<Books::Head> Books::head(Queue::Kind queue) const {
    auto run = queue_.front(queue);
    if (!run) return std::nullopt;
    Index first = run->begin;
    Head head{.first = first,
              .end = std::min(run->end, attempts_.same_until(first)),
              .first_missing = settled_.both().first_missing() >= first};
    if (const History* history = attempts_.at(first); history && history->most > 0) {
        head.end = std::min<Index>(head.end, first + history->most);
        head.alone = history->most == 1;
        head.exclusive = history->exclusive;
    }
    return head;
}

std::uint32_t Books::lend(const Head& head, Range range, const PeerId& worker,
                          DispatchId dispatch) {
    FANFOLD_CHECK(range.begin == head.first && !range.empty() && range.end <= head.end);
    std::uint32_t attempt = attempts_.dispatched(range);
    queue_.take(range);
    loans_.put(range,
               {.worker = worker, .dispatch = dispatch, .attempt = attempt, .alone = head.alone});
    return attempt;
}

std::uint32_t Books::hedge(Index index, const PeerId& worker, DispatchId dispatch) {
    const Loan* first = loans_.first().at(index);
    FANFOLD_CHECK(first);
    std::uint32_t attempt = attempts_.dispatched_again(index, first->attempt);
    loans_.put_second(index, {.worker = worker, .dispatch = dispatch, .attempt = attempt});
    return attempt;
}

// --- ended

Books::Releases Books::finish(Range range, const PeerId& worker) {
    Releases in_vain;
    for (const auto& span : loans_.first().within(range)) {
        for (const auto& second : loans_.second().within(span.range)) {
            if (span.value.worker != worker && second.value.worker != worker) continue;
            in_vain.emplace_back(
                span.value.worker == worker ? second.value.worker : span.value.worker,
                second.range);
            loans_.take_both(second.range);
            kept_.keep(second.range, worker);
        }
        if (span.value.worker != worker) continue;  // whoever is first at the gatherer wins
        for (Range part : loans_.first().of_within(worker, span.range)) {
            loans_.take(part);
            kept_.keep(part, worker);
        }
    }
    for (Range part : queue_.take(range))
        kept_.keep(part, worker);  // given up too early: the result exists after all
    return in_vain;
}

bool Books::fail_attempt(wire::Failure failure, Slice output, const PeerId& worker,
                         std::uint32_t retries) {
    const Index index = failure.index;
    Range one{index, index + 1};
    auto is_of = [&](const Loan* loan) {
        return loan && loan->worker == worker &&
               (loan->attempt == failure.attempt || loan->dispatch.origin == Origin::adopted);
    };
    bool second = is_of(loans_.second().at(index));
    if (!second && !is_of(loans_.first().at(index))) return false;
    bool another_runs = loans_.is_hedged(index);
    if (second) loans_.take_second(one);
    else requeue(queue_, attempts_, loans_.lose(one));
    const std::uint32_t failures = attempts_.failed(index);
    if (another_runs) return true;
    if (failures <= retries) {
        attempts_.strike(index);
        return true;
    }
    queue_.take(one);
    make_final(std::move(failure), std::move(output));
    return true;
}

Books::Releases Books::cancel(Range range, const std::string& reason) {
    range = overlap(range, {0, next_});
    Releases in_vain;
    RangeSet over;
    for (const auto& second : loans_.second().within(range))
        in_vain.emplace_back(second.value.worker, second.range);
    for (const auto& first : loans_.first().within(range)) {
        in_vain.emplace_back(first.value.worker, first.range);
        over.add(first.range);
    }
    loans_.take_both(range);
    for (Range part : queue_.take(range)) over.add(part);
    for (Range part : kept_.limbo().within(range)) {
        kept_.erase(part);
        over.add(part);
    }
    for (Range part : over.ranges())
        for (Index index = part.begin; index < part.end; ++index) {
            const History* history = attempts_.at(index);
            make_final(
                failure_of(index, history ? history->attempts : 1, FailureKind::cancelled, reason),
                {});
        }
    return in_vain;
}

void Books::give_back(Range range, const PeerId& worker) {
    for (const auto& second : loans_.second().of(worker))
        loans_.take_second(overlap(second.range, range));
    for (const auto& span : loans_.first().within(range)) {
        if (span.value.worker != worker) continue;
        // It was never started, so the attempt does not count.
        std::uint32_t used = span.value.attempt - 1;
        bool fresh = used == 0 && !attempts_.at(span.range.begin) &&
                     loans_.second().within(span.range).empty();
        if (fresh) {
            loans_.take(span.range);
            queue_.add(span.range);
            continue;
        }
        std::vector<Range> lost = loans_.lose(span.range);
        requeue(queue_, attempts_, lost);
        for (Range part : lost) attempts_.not_started(part, used);
    }
}

void Books::make_final(wire::Failure failure, Slice output) {
    Index index = failure.index;
    settled_.add_error({.failure = std::move(failure), .output = std::move(output)});
    attempts_.erase({index, index + 1});
    settled_now_.push_back({{index, index + 1}, true});
}

// --- a worker is gone, or says what it has

std::vector<Index> Books::lose_worker(const Loss& loss, Time now) {
    std::vector<Index> accused;
    for (const auto& second : loans_.second().of(loss.worker)) loans_.take_second(second.range);
    for (const auto& loan : loans_.first().of(loss.worker)) {
        const std::vector<Range> lost = loans_.lose(loan.range);
        requeue(queue_, attempts_, lost);
        if (loss.death == Death::in_good_order) continue;
        const bool alone = loan.value.alone;
        for (Range part : lost) {
            queue_.move(part, Queue::Kind::suspects);
            for (const auto& [range, history] : attempts_.suspect(part, loss.death, alone)) {
                if (is_guilty(range.begin, history, loss)) continue;
                if (alone && loss.death == Death::known) attempts_.strike(range.begin);
                if (history.awaits_judgement(loss.crash_limit))
                    queue_.move(range, Queue::Kind::withheld);
            }
            if (alone && loss.death == Death::unknown) accused.push_back(part.begin);
        }
    }
    kept_.lose(loss.worker, now + limits::limbo_time);
    return accused;
}

void Books::judge(Index index, Verdict verdict, const Loss& loss) {
    auto history = attempts_.judge(index, verdict);
    if (!history || is_guilty(index, *history, loss)) return;
    if (verdict == Verdict::it_died) attempts_.strike(index);
    const Range one{index, index + 1};
    if (!history->awaits_judgement(loss.crash_limit) &&
        queue_.of(Queue::Kind::withheld).contains(index))
        queue_.move(one, Queue::Kind::suspects);
}

/// Whether it has killed as many workers as the limit allows; if it waits, that is final.
bool Books::is_guilty(Index index, const History& history, const Loss& loss) {
    std::string why = why_crashed(history, loss.crash_limit);
    if (why.empty() || queue_.take({index, index + 1}).empty()) return false;
    wire::Failure failure = failure_of(index, history.attempts, FailureKind::crashed, why);
    failure.worker = loss.name;
    make_final(std::move(failure), {});
    return true;
}

void Books::requeue_limbo(Time now) { requeue(queue_, attempts_, kept_.give_up(now)); }

void Books::rename_worker(const PeerId& old_id, const PeerId& new_id) {
    loans_.rename(old_id, new_id);
    kept_.rename(old_id, new_id);
}

/// It runs there already, whatever the books say: what waits is on loan to it, and a lone fragment
/// that was given to another meanwhile is on loan to both. Returns what it should let go.
std::vector<Range> Books::adopt(const PeerId& worker, Range held) {
    RangeSet booked(loans_.first().of_within(worker, held));
    for (Range part : loans_.second().of_within(worker, held)) booked.add(part);
    RangeSet unwanted(booked.missing(held));
    for (Range strange : booked.missing(held)) {
        for (Range part : queue_.take(strange)) {
            unwanted.remove(part);
            loans_.put(part, {.worker = worker, .attempt = attempts_.adopted(part)});
        }
        for (const auto& span : loans_.first().within(strange)) {
            if (!span.value.alone || span.value.worker == worker) continue;
            if (loans_.is_hedged(span.range.begin)) continue;
            unwanted.remove(span.range);
            loans_.put_second(span.range.begin,
                              {.worker = worker, .attempt = attempts_.adopted(span.range)});
        }
    }
    return unwanted.ranges();
}

std::vector<Range> Books::reconcile(const PeerId& worker, const Inventory& inventory) {
    RangeSet let_go;
    for (Range range : inventory.held)
        for (Range strange : adopt(worker, range)) let_go.add(strange);
    for (Range range : inventory.kept) {
        finish(range, worker);
        kept_.find_again(range, worker);
        RangeSet unwanted({range});
        for (Range part : kept_.finished().of_within(worker, range)) unwanted.remove(part);
        for (Range part : unwanted.ranges()) let_go.add(part);
    }
    // What it does not name: the dispatch, or what was said of it, was lost on the way.
    const RangeSet has(inventory.held), still(inventory.kept);
    for (const auto& second : loans_.second().of(worker))
        if (second.value.dispatch.is_handled(inventory.handled))
            for (Range lost : has.missing(second.range)) loans_.take_second(lost);
    for (const auto& loan : loans_.first().of(worker))
        if (loan.value.dispatch.is_handled(inventory.handled))
            for (Range lost : has.missing(loan.range))
                requeue(queue_, attempts_, loans_.lose(lost));
    for (const auto& span : kept_.finished().of(worker)) {
        // It has let go of results that are not safe.
        std::vector<Range> lost = still.missing(span.range);
        for (Range range : lost) kept_.erase(range);
        requeue(queue_, attempts_, lost);
    }
    return let_go.ranges();
}

Books::Releases Books::gathered(const std::vector<Range>& ranges,
                                const std::vector<Range>& failed) {
    Releases releases;
    const RangeSet without_value(failed);
    for (Range told : ranges) {
        Range range = overlap(told, {0, next_});
        auto release = [&](const auto& holdings) {
            for (const auto& span : holdings.within(range))
                releases.emplace_back(span.value.worker, span.range);
        };
        release(kept_.finished());
        release(loans_.first());
        release(loans_.second());
        settled_.confirm(range);
        for (Range fresh : settled_.both().missing(range)) {
            kept_.erase(fresh);
            loans_.take_both(fresh);
            queue_.take(fresh);
            attempts_.erase(fresh);
            for (Range part : without_value.within(fresh)) {
                settled_.add_failed(part);
                settled_now_.push_back({part, true, true});
            }
            for (Range part : without_value.missing(fresh)) {
                settled_.add_safe(part);
                settled_now_.push_back({part});
            }
        }
    }
    return releases;
}

std::vector<Range> Books::take_back(const std::vector<Range>& ranges) {
    std::vector<Range> again = settled_.take_back(ranges);
    for (Range range : again) {
        queue_.add(range);
        taken_back_.add(range);
    }
    return again;
}

// --- rounds

std::vector<wire::Missing> Books::unfinished() const {
    RangeSet started, fresh = queue_.of(Queue::Kind::ordinary), lost;
    for (const RangeSet& set :
         {loans_.first().set(), kept_.finished().set(), RangeSet(kept_.limbo()),
          RangeSet(queue_.of(Queue::Kind::suspects)), RangeSet(queue_.of(Queue::Kind::withheld))})
        for (Range range : set.ranges()) started.add(range);
    for (Range part : attempts_.tried(fresh)) {
        fresh.remove(part);
        started.add(part);
    }
    for (Range range : taken_back_.ranges())
        for (Range part : fresh.within(range)) lost.add(part);
    for (Range range : lost.ranges()) fresh.remove(range);
    std::vector<wire::Missing> missing;
    const std::pair<const char*, const RangeSet*> reasons[] = {
        {"lost", &lost}, {"cancelled", &started}, {"never started", &fresh}};
    for (const auto& [reason, set] : reasons) {
        auto ranges = set->ranges();
        ranges.resize(std::min(ranges.size(), limits::missing_ranges));
        if (!ranges.empty()) missing.push_back({reason, std::move(ranges)});
    }
    return missing;
}

void Books::close() {
    queue_.clear();
    loans_.clear();
    kept_.clear();
    settled_.drop_errors();
    attempts_.clear();
    settled_now_.clear();
}

std::vector<Range> Books::reopen() {
    auto failed = settled_.start_round();
    for (Range range : settled_.safe().missing({0, next_})) queue_.add(range);
    return failed;
}

Books::Changes Books::take_changes() {
    return {.loans = loans_.take_changes(),
            .settled = std::exchange(settled_now_, {}),
            .struck = attempts_.take_struck()};
}

void Books::check_invariants(bool running) const {
    RangeSet all;
    Index sum = 0;
    auto add = [&](const RangeSet& place) {
        for (Range range : place.ranges()) all.add(range);
        sum += place.size();
    };
    add(queue_.of(Queue::Kind::ordinary));
    add(queue_.of(Queue::Kind::suspects));
    add(queue_.of(Queue::Kind::withheld));
    add(loans_.first().set());
    add(kept_.finished().set());
    add(kept_.limbo());
    add(settled_.both());
    FANFOLD_CHECK(sum == all.size());  // one place each
    if (running) FANFOLD_CHECK(all.size() == next_ && (next_ == 0 || all.range_count() == 1));
    if (!running) FANFOLD_CHECK(loans_.first().size() == 0);
    loans_.check_invariants();
    kept_.check_invariants();
    settled_.check_invariants();
}

}  // namespace fanfold::broker
