#include "broker/core/job.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

Job::Job(JobId job_id, wire::JobSpec job_spec, std::uint64_t owner_token, Time now)
    : id(job_id),
      spec(std::move(job_spec)),
      token(owner_token),
      opened(now),
      share(spec.share),
      owner(spec.owner) {}

void Job::accept(const wire::Block& block, Slice body) {
    FANFOLD_CHECK(block.first == next_);
    accepted_bytes_ += body.size();
    queued_.add({next_, next_ + block.count});
    blocks_.add(block, std::move(body));
    next_ += block.count;
    digest = block.digest;
}

// --- read back from the store
// ---------------------------------------------------------------------------------

// Blocks of which nothing was needed any more are not in the store: what lies between is known by
// its ranges and errors.
void Job::restore_block(const wire::Block& block, Slice body) {
    if (block.first < next_ || !check_block(block, body)) return;
    accepted_bytes_ += body.size();
    queued_.add({block.first, block.first + block.count});
    blocks_.add(block, std::move(body));
    next_ = block.first + block.count;
}

/// Told after all blocks, errors and ranges: credit is cumulative, so what was freed in earlier
/// lives counts.
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
    errors_.emplace(
        index,
        FinalError{.failure = std::move(failure), .output = std::move(output), .told = true});
}

void Job::restore_end(wire::Ended how, Time when) {
    next_ = how.total.value_or(next_);
    total = how.total;
    close(std::move(how), when);
}

void Job::restore_history(Index index, const History& history) {
    if (queued_.contains(index)) history_.assign({index, index + 1}, history);
}

bool Job::whole() const {
    if (total && *total != next_) return false;
    return running() ? settled_.size() + queued_.size() == next_
                     : settled_.empty() || settled_.ranges().back().end <= next_;
}

// --- dispatch
// ---------------------------------------------------------------------------------------------------

std::optional<Job::Head> Job::head(Queue queue) const {
    auto run = queue == Queue::suspects ? suspects_.front() : queued_.front();
    if (!run) return std::nullopt;
    Index first = run->begin;
    Index count =
        std::min({run->end, blocks_.block_end(first), history_.same_until(first)}) - first;
    Head head{.first = first,
              .first_missing = settled_.first_missing() >= first,
              .mean_bytes = blocks_.mean_bytes(first)};
    if (const History* history = history_.at(first); history && history->most > 0) {
        count = std::min<Index>(count, history->most);
        head.alone = history->most == 1;
        head.exclusive = history->exclusive;
    }
    head.longest = static_cast<std::uint32_t>(std::min<Index>(count, limits::chunk_fragments));
    return head;
}

Job::Chunk Job::lend(const Head& head, std::uint32_t count, const PeerId& worker,
                     std::uint64_t sequence) {
    FANFOLD_CHECK(count > 0 && count <= head.longest);
    Chunk chunk{.range = {head.first, head.first + count},
                .attempt = 1,
                .body = blocks_.slice({head.first, head.first + count})};
    if (const History* before = history_.at(head.first)) {
        History history = *before;
        chunk.attempt = ++history.attempts;
        history_.assign(chunk.range, history);
    }
    unqueue(chunk.range);
    put_on_loan(
        chunk.range,
        {.worker = worker, .sequence = sequence, .attempt = chunk.attempt, .alone = head.alone});
    return chunk;
}

std::vector<Range> Job::unqueue(Range range) {
    std::vector<Range> parts = queued_.within(range);
    for (Range part : suspects_.within(range)) parts.push_back(part);
    queued_.remove(range);
    suspects_.remove(range);
    return parts;
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

void Job::make_final(wire::Failure failure, Slice output) {
    Index index = failure.index;
    failed_.add({index, index + 1});
    errors_.emplace(index, FinalError{.failure = std::move(failure), .output = std::move(output)});
    settle({index, index + 1}, true);
}

std::vector<wire::Missing> Job::unfinished() const {
    RangeSet started, fresh;
    for (Range range : loans_.set().ranges()) started.add(range);
    for (Range range : finished_.set().ranges()) started.add(range);
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
    drop_hedges({0, next_});
    take_off_loan({0, next_});
    finished_.clear();
    times = {};
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
    bool enough =
        spec.policy == wire::GatherPolicy::quorum || spec.policy == wire::GatherPolicy::first;
    if (enough && end.outcome == wire::Outcome::complete)
        return "it has all the values that it asked for";
    if (!blocks_.covers(safe_.missing({0, *total})))
        return "its payloads were let go for want of memory; submit it again";
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
    const RangeSet lent = loans_.set(), finished = finished_.set();
    for (const RangeSet* place :
         {&queued_, &suspects_, &lent, &finished, &limbo_set_, &safe_, &failed_}) {
        for (Range range : place->ranges()) all.add(range);
        sum += place->size();
    }
    FANFOLD_CHECK(sum == all.size());  // one place each
    if (running()) FANFOLD_CHECK(all.size() == next_ && (next_ == 0 || all.range_count() == 1));
    loans_.check_invariants();
    finished_.check_invariants();
    hedges_.check_invariants();
    for (const auto& span : hedges_.all())
        for (const auto& loan : loans_.within(span.range))
            FANFOLD_CHECK(loan.value.worker != span.value.worker);
    for (Range range : hedges_.set().ranges()) FANFOLD_CHECK(lent.covers(range));
    RangeSet waiting;
    for (const auto& span : limbo_.all()) waiting.add(span.range);
    FANFOLD_CHECK(waiting == limbo_set_);
    FANFOLD_CHECK(settled_.size() == safe_.size() + failed_.size());
    for (const auto& [index, error] : errors_) FANFOLD_CHECK(failed_.contains(index));
    FANFOLD_CHECK(freed_bytes_ <= accepted_bytes_);
    if (total && running()) FANFOLD_CHECK(next_ == *total);
}

}  // namespace fanfold::broker
