#include "worker/core/kept_results.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "shared/base/result.hpp"
#include "worker/core/chunk.hpp"

namespace fanfold::worker {

void KeptResults::insert(KeptRun run) {
    bytes_ += run.body.size();
    FANFOLD_CHECK(indices_.add(run.range) == run.range.size());
    runs_.emplace(run.range.begin, std::move(run));
}

void KeptResults::erase(std::map<Index, KeptRun>::iterator run) {
    bytes_ -= run->second.body.size();
    indices_.remove(run->second.range);
    runs_.erase(run);
}

void KeptResults::add(KeptRun run, Time now) {
    if (runs_.empty()) since_ = now, patience_ = limits::resend_after;
    else since_ = std::max(since_, now);
    insert(std::move(run));
}

void KeptResults::release(Range range, Time now) {
    if (indices_.within(range).empty()) return;
    since_ = now;
    patience_ = limits::resend_after;
    auto at = runs_.upper_bound(range.begin);
    if (at != runs_.begin()) --at;
    while (at != runs_.end() && at->first < range.end) {
        if (overlap(at->second.range, range).empty()) {
            ++at;
            continue;
        }
        KeptRun run = at->second;
        erase(at++);
        auto keep = [&](Range part) {
            if (part.empty()) return;
            auto body = cut_objects(run.body, {.total = run.range.size(),
                                               .skip = part.begin - run.range.begin,
                                               .count = part.size()});
            FANFOLD_CHECK(body.has_value());
            insert({part, run.meta, *std::move(body)});
        };
        keep({run.range.begin, std::min(run.range.end, range.begin)});
        keep({std::max(run.range.begin, range.end), run.range.end});
    }
}

std::vector<const KeptRun*> KeptResults::overlapping(const std::vector<Range>& ranges,
                                                     std::uint64_t most_bytes) const {
    std::vector<const KeptRun*> found;
    std::uint64_t bytes = 0;
    const RangeSet wanted(ranges);
    for (Range range : wanted.ranges()) {
        auto at = runs_.upper_bound(range.begin);
        if (at != runs_.begin()) --at;
        for (; at != runs_.end() && at->first < range.end; ++at) {
            if (overlap(at->second.range, range).empty()) continue;
            if (!found.empty() && found.back() == &at->second)
                continue;  // two of the ranges meet in one run
            if (!found.empty() && bytes + at->second.body.size() > most_bytes) return found;
            bytes += at->second.body.size();
            found.push_back(&at->second);
        }
    }
    return found;
}

void KeptResults::asked(std::uint64_t mark, Time now) {
    if (!mark_) {
        mark_ = mark;
        asked_about_ = indices_;
    }
    wait_longer(now);
}

std::vector<Range> KeptResults::lost(std::uint64_t mark) {
    std::vector<Range> lost;
    if (!mark_ || mark < *mark_) return lost;
    mark_.reset();
    patience_ = limits::resend_after;
    for (Range range : std::exchange(asked_about_, {}).ranges())
        std::ranges::copy(indices_.within(range), std::back_inserter(lost));
    return lost;
}

void KeptResults::pushed_again(Time now) {
    wait_longer(now);
    mark_.reset();
    asked_about_ = {};
}

void KeptResults::wait_longer(Time now) {
    since_ = now;
    patience_ = std::min<Duration>(patience_ * 2, limits::longest_resend_patience);
}

void KeptResults::check_invariants() const {
    std::uint64_t bytes = 0;
    RangeSet covered;
    for (const auto& [first, run] : runs_) {
        FANFOLD_CHECK(first == run.range.begin);
        FANFOLD_CHECK(covered.add(run.range) == run.range.size());
        bytes += run.body.size();
    }
    FANFOLD_CHECK(covered == indices_);
    FANFOLD_CHECK(bytes == bytes_);
}

}  // namespace fanfold::worker
