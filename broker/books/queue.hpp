// A job's fragments that wait to be dispatched: ordinary work, and suspects, which were on loan to
// a worker that died. A fragment is in one of the two at most. Plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shared/base/range_set.hpp"

namespace fanfold::broker {

class Queue {
public:
    enum class Kind : std::uint8_t { ordinary, suspects };

    void add(Range range) { ordinary_.add(range); }
    void add_suspect(Range range) {
        ordinary_.remove(range);
        suspects_.add(range);
    }
    /// Takes out what waits of the range, and says what it was.
    std::vector<Range> take(Range range) {
        std::vector<Range> parts = ordinary_.within(range);
        for (Range part : suspects_.within(range)) parts.push_back(part);
        ordinary_.remove(range);
        suspects_.remove(range);
        return parts;
    }
    void clear() { ordinary_.clear(), suspects_.clear(); }

    std::optional<Range> front(Kind kind) const { return of(kind).front(); }
    const RangeSet& of(Kind kind) const { return kind == Kind::suspects ? suspects_ : ordinary_; }
    Index size() const { return ordinary_.size() + suspects_.size(); }
    bool empty() const { return ordinary_.empty() && suspects_.empty(); }

private:
    RangeSet ordinary_;
    RangeSet suspects_;
};

}  // namespace fanfold::broker
