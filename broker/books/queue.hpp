// A job's fragments that wait to be dispatched: ordinary work; suspects, which were on loan to a
// worker that is gone; and what is withheld, since it may have killed as many as it may. A
// fragment is in one of the three at most. Plain value.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "shared/base/range_set.hpp"

namespace fanfold::broker {

class Queue {
public:
    enum class Kind : std::uint8_t { ordinary, suspects, withheld };

    void add(Range range) { sets_[place(Kind::ordinary)].add(range); }
    /// What waits already is of another kind from now on.
    void move(Range range, Kind kind) {
        for (Range part : take(range)) sets_[place(kind)].add(part);
    }
    /// Takes out what waits of the range, and says what it was.
    std::vector<Range> take(Range range) {
        std::vector<Range> parts;
        for (RangeSet& set : sets_) {
            for (Range part : set.within(range)) parts.push_back(part);
            set.remove(range);
        }
        return parts;
    }
    void clear() { sets_ = {}; }

    std::optional<Range> front(Kind kind) const { return of(kind).front(); }
    const RangeSet& of(Kind kind) const { return sets_[place(kind)]; }
    Index size() const {
        Index size = 0;
        for (const RangeSet& set : sets_) size += set.size();
        return size;
    }
    bool empty() const { return size() == 0; }

private:
    static constexpr std::size_t place(Kind kind) { return static_cast<std::size_t>(kind); }

    std::array<RangeSet, 3> sets_;
};

}  // namespace fanfold::broker
