// How long fragments take, learnt from the runs that workers tell of.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "shared/events/events.hpp"

namespace fanfold::broker {

/// What is known of the time that a function's fragments take. Plain value.
class RunTimeEstimate {
public:
    /// A run of `count` fragments took `busy`.
    void learn(std::uint64_t count, Duration busy);
    /// The moving estimate, nanoseconds a fragment; 0: not known.
    double each() const { return each_; }
    /// A time that 95 % of the fragments stay below, within an eighth of it; none while there were
    /// too few.
    std::optional<Duration> p95() const;

private:
    double each_ = 0;
    double seen_ = 0;               // fragments in the histogram
    std::vector<float> histogram_;  // four buckets to each power of two, from a nanosecond on
};

}  // namespace fanfold::broker
