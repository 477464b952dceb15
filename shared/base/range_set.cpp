#include "shared/base/range_set.hpp"

#include <algorithm>
#include <iterator>

namespace fanfold {

// The first range that ends at or after `begin`: the first that could overlap or touch one starting
// there.
RangeSet::Map::const_iterator RangeSet::first_touching(Index begin) const {
    auto it = ranges_.upper_bound(begin);
    if (it != ranges_.begin() && std::prev(it)->second >= begin) --it;
    return it;
}

Index RangeSet::add(Range range) {
    if (range.empty()) return 0;
    Index before = size_;
    auto it = first_touching(range.begin);
    while (it != ranges_.end() && it->first <= range.end) {
        range.begin = std::min(range.begin, it->first);
        range.end = std::max(range.end, it->second);
        size_ -= it->second - it->first;
        it = ranges_.erase(it);
    }
    ranges_.emplace_hint(it, range.begin, range.end);
    size_ += range.size();
    return size_ - before;
}

Index RangeSet::remove(Range range) {
    if (range.empty()) return 0;
    Index before = size_;
    auto it = first_touching(range.begin);
    while (it != ranges_.end() && it->first < range.end) {
        Range old{it->first, it->second};
        if (old.end <= range.begin) {
            ++it;
            continue;
        }
        it = ranges_.erase(it);
        size_ -= old.size();
        if (old.begin < range.begin) {
            ranges_.emplace_hint(it, old.begin, range.begin);
            size_ += range.begin - old.begin;
        }
        if (old.end > range.end) {
            it = ranges_.emplace_hint(it, range.end, old.end);
            size_ += old.end - range.end;
            break;
        }
    }
    return before - size_;
}

bool RangeSet::contains(Index index) const {
    auto it = ranges_.upper_bound(index);
    return it != ranges_.begin() && std::prev(it)->second > index;
}

bool RangeSet::covers(Range range) const {
    if (range.empty()) return true;
    auto it = ranges_.upper_bound(range.begin);
    return it != ranges_.begin() && std::prev(it)->second >= range.end;
}

std::vector<Range> RangeSet::within(Range range) const {
    std::vector<Range> parts;
    if (range.empty()) return parts;
    for (auto it = first_touching(range.begin); it != ranges_.end() && it->first < range.end;
         ++it) {
        Range part = overlap({it->first, it->second}, range);
        if (!part.empty()) parts.push_back(part);
    }
    return parts;
}

std::vector<Range> RangeSet::missing(Range range) const {
    std::vector<Range> gaps;
    Index at = range.begin;
    for (Range part : within(range)) {
        if (part.begin > at) gaps.push_back({at, part.begin});
        at = part.end;
    }
    if (at < range.end) gaps.push_back({at, range.end});
    return gaps;
}

std::optional<Range> RangeSet::front() const {
    if (ranges_.empty()) return std::nullopt;
    return Range{ranges_.begin()->first, ranges_.begin()->second};
}

Index RangeSet::first_missing(Index from) const {
    auto it = ranges_.upper_bound(from);
    return it != ranges_.begin() && std::prev(it)->second > from ? std::prev(it)->second : from;
}

std::vector<Range> RangeSet::ranges() const {
    std::vector<Range> all;
    all.reserve(ranges_.size());
    for (auto [begin, end] : ranges_) all.push_back({begin, end});
    return all;
}

std::string to_string(const std::vector<Range>& ranges, std::size_t most) {
    std::string text;
    for (std::size_t i = 0; i < ranges.size(); ++i) {
        if (i == most) return text + " … (" + std::to_string(ranges.size() - most) + " more)";
        if (i > 0) text += ',';
        text += std::to_string(ranges[i].begin);
        if (ranges[i].size() > 1) text += '-' + std::to_string(ranges[i].end - 1);
    }
    return text;
}

}  // namespace fanfold
