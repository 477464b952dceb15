#include "broker/job.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

namespace {
constexpr auto limbo_time = std::chrono::milliseconds(500);  // for results that their worker had pushed before it died
constexpr std::uint32_t suspicion_shrinks = 256;             // a suspect's chunk is this much smaller than the one its worker died with

bool adjoins(const std::vector<Range>& ranges, Index index) { return !ranges.empty() && ranges.back().end == index; }

void append(std::vector<Range>& ranges, Range range) {
    if (adjoins(ranges, range.begin)) ranges.back().end = range.end;
    else ranges.push_back(range);
}
}  // namespace

Job::Job(JobId job_id, wire::JobSpec job_spec, std::uint64_t owner_token, Time now)
    : id(job_id), spec(std::move(job_spec)), token(owner_token), opened(now), share(spec.share), owner(spec.owner) {}

void Job::accept(const wire::Block& block, Slice body) {
    FANFOLD_CHECK(block.first == next_);
    accepted_bytes_ += body.size();
    queued_.add({next_, next_ + block.count});
    blocks_.add(block, std::move(body));
    next_ += block.count;
    digest = block.digest;
}

// --- read back from the store ---------------------------------------------------------------------------------

// Blocks of which nothing was needed any more are not in the store: what lies between is known by its ranges and errors.
void Job::restore_block(const wire::Block& block, Slice body) {
    if (block.first < next_ || !check_block(block, body)) return;
    accepted_bytes_ += body.size();
    queued_.add({block.first, block.first + block.count});
    blocks_.add(block, std::move(body));
    next_ = block.first + block.count;
}

/// Told after all blocks, errors and ranges: credit is cumulative, so what was freed in earlier lives counts.
void Job::restore_accepted(Index next, std::uint64_t bytes, std::string its_digest) {
    freed_bytes_ += bytes - std::min(bytes, accepted_bytes_);
    accepted_bytes_ = std::max(bytes, accepted_bytes_);
    next_ = std::max(next_, next);
    digest = std::move(its_digest);
}

void Job::restore_safe(const std::vector<Range>& ranges) {
    for (Range range : ranges) {
        for (Range fresh : settled_.missing(range)) {
            for (Range part : unqueue(fresh)) freed_bytes_ += blocks_.let_go(part, false);
            safe_.add(fresh);
            settled_.add(fresh);
        }
        next_ = std::max(next_, range.end);
    }
}

void Job::restore_error(wire::Failure failure, Slice output) {
    Range one{failure.index, failure.index + 1};
    if (settled_.contains(failure.index)) return;
    for (Range part : unqueue(one)) freed_bytes_ += blocks_.let_go(part, can_be_retried());
    failed_.add(one);
    settled_.add(one);
    next_ = std::max(next_, one.end);
    Index index = failure.index;
    errors_.emplace(index, FinalError{.failure = std::move(failure), .output = std::move(output), .told = true});
}

void Job::restore_end(wire::Ended how, Time when) {
    next_ = how.total.value_or(next_);
    total = how.total;
    close(std::move(how), when);
}

void Job::restore_history(Index index, const History& history) {
    if (queued_.contains(index)) history_.assign({index, index + 1}, history);
}

bool Job::whole() const { return settled_.size() + queued_.size() == next_ && (!total || *total == next_); }

// --- dispatch ---------------------------------------------------------------------------------------------------

std::optional<Job::Head> Job::head(Queue queue) const {
    auto run = queue == Queue::suspects ? suspects_.front() : queued_.front();
    if (!run) return std::nullopt;
    Index first = run->begin;
    Index count = std::min({run->end, blocks_.block_end(first), history_.same_until(first)}) - first;
    Head head{.first = first, .first_missing = settled_.first_missing() >= first, .mean_bytes = blocks_.mean_bytes(first)};
    if (const History* history = history_.at(first); history && history->most > 0) {
        count = std::min<Index>(count, history->most);
        head.alone = history->most == 1;
        head.exclusive = history->exclusive;
    }
    head.longest = static_cast<std::uint32_t>(std::min<Index>(count, limits::chunk_fragments));
    return head;
}

Job::Chunk Job::lend(const Head& head, std::uint32_t count, const PeerId& worker, std::uint64_t sequence) {
    FANFOLD_CHECK(count > 0 && count <= head.longest);
    Chunk chunk{.range = {head.first, head.first + count}, .attempt = 1, .body = blocks_.slice({head.first, head.first + count})};
    if (const History* before = history_.at(head.first)) {
        History history = *before;
        chunk.attempt = ++history.attempts;
        history_.assign(chunk.range, history);
    }
    unqueue(chunk.range);
    put_on_loan(chunk.range, {.worker = worker, .sequence = sequence, .attempt = chunk.attempt, .alone = head.alone});
    return chunk;
}

std::vector<Range> Job::unqueue(Range range) {
    std::vector<Range> parts = queued_.within(range);
    for (Range part : suspects_.within(range)) parts.push_back(part);
    queued_.remove(range);
    suspects_.remove(range);
    return parts;
}

void Job::put_on_loan(Range range, Loan loan) {
    lent_set_.add(range);
    changes_.push_back({loan.worker, loan.sequence, static_cast<std::int64_t>(range.size())});
    loans_.assign(range, std::move(loan));
}

void Job::take_off_loan(Range range) {
    for (const auto& span : loans_.within(range))
        changes_.push_back({span.value.worker, span.value.sequence, -static_cast<std::int64_t>(span.range.size())});
    loans_.erase(range);
    lent_set_.remove(range);
}

void Job::requeue(Range range) {
    queued_.add(range);
    // From now on its attempts are counted one by one; before, the first was implied.
    for (Range gap : [&] {
             RangeSet known;
             for (const auto& span : history_.within(range)) known.add(span.range);
             return known.missing(range);
         }())
        history_.assign(gap, {.attempts = 1, .failures = 0, .lone_crashes = 0, .most = 0});
}

void Job::settle(Range range, bool failed) {
    settled_.add(range);
    history_.erase(range);
    freed_bytes_ += blocks_.let_go(range, failed && can_be_retried());
}

void Job::finish(Range range, const PeerId& worker) {
    auto move = [&](Range part) {
        finished_.assign(part, worker);
        finished_set_.add(part);
    };
    for (const auto& span : loans_.within(range)) {
        if (span.value.worker != worker) continue;  // whoever is first at the gatherer wins
        take_off_loan(span.range);
        move(span.range);
    }
    for (Range part : unqueue(range)) move(part);  // given up too early: the result exists after all
}

void Job::make_final(wire::Failure failure, Slice output) {
    Index index = failure.index;
    failed_.add({index, index + 1});
    errors_.emplace(index, FinalError{.failure = std::move(failure), .output = std::move(output)});
    settle({index, index + 1}, true);
}

void Job::fail_attempt(wire::Failure failure, Slice output, const PeerId& worker) {
    Range one{failure.index, failure.index + 1};
    const Loan* loan = loans_.at(failure.index);
    bool adopted = loan && loan->sequence == 0;  // nobody here knows its attempt
    if (!loan || loan->worker != worker || (loan->attempt != failure.attempt && !adopted)) return;
    take_off_loan(one);
    requeue(one);
    History history = *history_.at(failure.index);
    history.most = 0;  // its worker lived through it
    history.exclusive = false;
    bool retry = ++history.failures <= spec.retries;
    history_.assign(one, history);
    if (retry) return struck_.push_back(failure.index);
    unqueue(one);
    make_final(std::move(failure), std::move(output));
}

void Job::give_back(Range range, const PeerId& worker) {
    for (const auto& span : loans_.within(range)) {
        if (span.value.worker != worker) continue;
        take_off_loan(span.range);
        // It was never started, so the attempt does not count.
        std::uint32_t used = span.value.attempt - 1;
        if (used == 0 && !history_.at(span.range.begin)) {
            queued_.add(span.range);
            continue;
        }
        requeue(span.range);
        for (auto known : history_.within(span.range)) {
            known.value.attempts = used;
            history_.assign(known.range, known.value);
        }
    }
}

void Job::lose_worker(const PeerId& worker, const std::string& name, Death death, std::uint32_t crash_limit, Time now) {
    for (const auto& loan : loans_.all()) {
        if (loan.value.worker != worker) continue;
        take_off_loan(loan.range);
        requeue(loan.range);
        if (death != Death::in_good_order) suspect(loan, name, death, crash_limit);
    }
    for (const auto& kept : finished_.all()) {
        if (kept.value != worker) continue;
        finished_.erase(kept.range);
        finished_set_.remove(kept.range);
        limbo_.assign(kept.range, now + limbo_time);
        limbo_set_.add(kept.range);
    }
}

void Job::suspect(const SpanMap<Loan>::Span& loan, const std::string& worker, Death death, std::uint32_t crash_limit) {
    unqueue(loan.range);
    suspects_.add(loan.range);
    for (auto known : history_.within(loan.range)) {
        History& history = known.value;
        history.most = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(loan.range.size() / suspicion_shrinks));
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
        failure.message = "its worker died each of the " + std::to_string(history.lone_crashes) + " times that it ran alone";
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

std::vector<Range> Job::reconcile(const PeerId& worker, std::uint64_t handled, const std::vector<Range>& held,
                                  const std::vector<Range>& kept) {
    std::vector<Range> let_go;
    RangeSet has(held);
    for (Range range : held) {
        RangeSet booked;
        for (const auto& span : loans_.within(range))
            if (span.value.worker == worker) booked.add(span.range);
        for (Range strange : booked.missing(range)) {
            RangeSet unwanted;
            unwanted.add(strange);
            for (Range part : unqueue(strange)) {  // adopted: it runs there already
                unwanted.remove(part);
                std::uint32_t attempt = 1;
                for (auto known : history_.within(part)) {  // it lives after all: no crash to count
                    attempt = known.value.attempts;
                    if (known.value.lone_crashes > 0) --known.value.lone_crashes;
                    history_.assign(known.range, known.value);
                }
                put_on_loan(part, {.worker = worker, .sequence = 0, .attempt = attempt, .alone = false});
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
            finished_.assign(part, worker);
            finished_set_.add(part);
        }
        RangeSet unwanted;
        unwanted.add(range);
        for (const auto& span : finished_.within(range))
            if (span.value == worker) unwanted.remove(span.range);
        for (Range part : unwanted.ranges()) append(let_go, part);
    }
    for (const auto& loan : loans_.all()) {
        if (loan.value.worker != worker || loan.value.sequence > handled) continue;
        for (Range lost : has.missing(loan.range)) {  // the dispatch, or what was said of it, was lost on the way
            take_off_loan(lost);
            requeue(lost);
        }
    }
    for (const auto& span : finished_.all()) {
        if (span.value != worker) continue;
        for (Range lost : still.missing(span.range)) {  // it has let go of results that are not safe
            finished_.erase(lost);
            finished_set_.remove(lost);
            requeue(lost);
        }
    }
    return let_go;
}

void Job::rename_worker(const PeerId& old_id, const PeerId& new_id) {
    for (auto& span : loans_.all()) {
        if (span.value.worker != old_id) continue;
        take_off_loan(span.range);
        put_on_loan(span.range, {.worker = new_id, .sequence = 0, .attempt = span.value.attempt, .alone = span.value.alone});
    }
    for (const auto& span : finished_.all())
        if (span.value == old_id) finished_.assign(span.range, new_id);
}

std::vector<std::pair<PeerId, Range>> Job::gathered(const std::vector<Range>& ranges) {
    std::vector<std::pair<PeerId, Range>> releases;
    for (Range told : ranges) {
        Range range = overlap(told, {0, next_});
        for (const auto& span : finished_.within(range)) releases.emplace_back(span.value, span.range);
        for (const auto& span : loans_.within(range)) releases.emplace_back(span.value.worker, span.range);
        errors_.erase(errors_.lower_bound(range.begin), errors_.lower_bound(range.end));
        for (Range fresh : settled_.missing(range)) {
            finished_.erase(fresh);
            finished_set_.remove(fresh);
            limbo_.erase(fresh);
            limbo_set_.remove(fresh);
            take_off_loan(fresh);
            unqueue(fresh);
            safe_.add(fresh);
            settle(fresh, false);
        }
    }
    return releases;
}

std::vector<wire::Missing> Job::unfinished() const {
    RangeSet started, fresh;
    for (Range range : lent_set_.ranges()) started.add(range);
    for (Range range : finished_set_.ranges()) started.add(range);
    for (Range range : limbo_set_.ranges()) started.add(range);
    for (Range range : queued_.ranges()) fresh.add(range);
    for (Range range : suspects_.ranges()) started.add(range);
    for (const auto& span : history_.all()) {
        if (span.value.attempts == 0) continue;
        for (Range part : fresh.within(span.range)) {
            fresh.remove(part);
            started.add(part);
        }
    }
    std::vector<wire::Missing> missing;
    auto list = [&](const char* reason, const RangeSet& set) {
        if (set.empty()) return;
        auto ranges = set.ranges();
        ranges.resize(std::min(ranges.size(), limits::missing_ranges));
        missing.push_back({reason, std::move(ranges)});
    };
    list("cancelled", started);
    list("never started", fresh);
    return missing;
}

void Job::close(wire::Ended how, Time now) {
    end = std::move(how);
    ended_at = now;
    queued_.clear();
    suspects_.clear();
    take_off_loan({0, next_});
    finished_.clear();
    finished_set_.clear();
    limbo_.clear();
    limbo_set_.clear();
    errors_.clear();
    history_.clear();
    if (can_be_retried() && !end.lost) blocks_.retain(safe_);
    else blocks_.clear();
    notice.clear();
    knowing.clear();
    watchers.clear();
}

std::string Job::why_no_retry() const {
    if (running()) return "it still runs; cancel it first, or wait for its end";
    if (spec.attached) return "its results went to the client that had it; run it again";
    if (end.lost) return "values that it had are lost; submit it again";
    if (!total) return "it was never submitted as a whole; submit it again";
    if (safe_.size() == *total) return "each of its fragments has a value";
    bool enough = spec.policy == wire::GatherPolicy::quorum || spec.policy == wire::GatherPolicy::first;
    if (enough && end.outcome == wire::Outcome::complete) return "it has all the values that it asked for";
    if (!blocks_.covers(safe_.missing({0, *total}))) return "its payloads were let go for want of memory; submit it again";
    return {};
}

std::vector<Range> Job::reopen(Time now) {
    ++round;
    ++assignment;
    opened = now;
    end = {};
    auto failed = failed_.ranges();
    failed_.clear();
    errors_.clear();
    settled_ = safe_;
    for (Range range : safe_.missing({0, next_})) queued_.add(range);
    freed_bytes_ = accepted_bytes_ - blocks_.reopen(safe_);
    return failed;
}

void Job::check_invariants() const {
    RangeSet all;
    Index sum = 0;
    for (const RangeSet* place : {&queued_, &suspects_, &lent_set_, &finished_set_, &limbo_set_, &safe_, &failed_}) {
        for (Range range : place->ranges()) all.add(range);
        sum += place->size();
    }
    FANFOLD_CHECK(sum == all.size());  // one place each
    if (running()) FANFOLD_CHECK(all.size() == next_ && (next_ == 0 || all.range_count() == 1));
    auto matches = [](const auto& spans, const RangeSet& set) {
        RangeSet seen;
        for (const auto& span : spans.all()) seen.add(span.range);
        return seen == set;
    };
    FANFOLD_CHECK(matches(loans_, lent_set_));
    FANFOLD_CHECK(matches(finished_, finished_set_));
    FANFOLD_CHECK(matches(limbo_, limbo_set_));
    FANFOLD_CHECK(settled_.size() == safe_.size() + failed_.size());
    for (const auto& [index, error] : errors_) FANFOLD_CHECK(failed_.contains(index));
    FANFOLD_CHECK(freed_bytes_ <= accepted_bytes_);
    if (total && running()) FANFOLD_CHECK(next_ == *total);
}

}  // namespace fanfold::broker
