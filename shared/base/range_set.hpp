// Books as intervals: a set of fragment indices kept as disjoint, non-adjacent half-open ranges.
// Its size grows with the number of gaps, never with the number of fragments. Plain value, no
// thread of its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/ids.hpp"

namespace fanfold {

/// The indices from begin up to, and without, end.
struct Range {
    Index begin = 0;
    Index end = 0;
    Index size() const { return end - begin; }
    bool empty() const { return begin >= end; }
    auto operator<=>(const Range&) const = default;
    static constexpr auto fields = [](auto& m) { return std::tie(m.begin, m.end); };
};

/// What both have in common; empty when nothing is.
inline Range overlap(Range a, Range b) {
    Range common{a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
    return common.empty() ? Range{} : common;
}

class RangeSet {
public:
    RangeSet() = default;
    explicit RangeSet(const std::vector<Range>& ranges) {
        for (Range range : ranges) add(range);
    }

    /// Adds the range; returns how many indices were new.
    Index add(Range range);
    /// Removes the range; returns how many indices were there.
    Index remove(Range range);
    void clear() { ranges_.clear(), size_ = 0; }

    bool contains(Index index) const;
    bool covers(Range range) const;
    /// Those parts of the range that are in the set, ascending.
    std::vector<Range> within(Range range) const;
    /// Those parts of the range that are not in the set, ascending.
    std::vector<Range> missing(Range range) const;
    /// The lowest run of indices, if there is any.
    std::optional<Range> front() const;
    /// The smallest index at or after `from` that is not in the set.
    Index first_missing(Index from = 0) const;

    std::vector<Range> ranges() const;
    /// The number of indices, not of ranges.
    Index size() const { return size_; }
    bool empty() const { return ranges_.empty(); }
    std::size_t range_count() const { return ranges_.size(); }
    bool operator==(const RangeSet& other) const { return ranges_ == other.ranges_; }

private:
    using Map = std::map<Index, Index>;  // begin → end
    Map::const_iterator first_touching(Index begin) const;

    Map ranges_;
    Index size_ = 0;
};

/// Ranges as people write them, last index included: "0-4,7,9-12"; past `most` ranges it ends in "…
/// (N more)".
std::string to_string(const std::vector<Range>& ranges, std::size_t most = 20);

}  // namespace fanfold
