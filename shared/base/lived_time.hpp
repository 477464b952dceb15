// Time as a process lived through it, for the liveness of its peers, and the clock that makes it.
// A pause of the process (it was stopped, its machine was suspended) is held against no peer. One
// thread, the core's.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"

namespace fanfold {

class LivedClock;

/// A moment in the time in which this process ran its loop. A type of its own: it neither compares
/// with a `Time` nor converts to one, only their differences are both `Duration`.
using LivedTime = std::chrono::time_point<LivedClock, Duration>;

/// A gap between two steps that is longer than limits::longest_step_gap counts as that much.
class LivedClock {
public:
    /// To be called at every step; returns the lived time.
    LivedTime advance(Time now) {
        if (last_) lived_ += std::min<Duration>(now - *last_, limits::longest_step_gap);
        last_ = now;
        return lived_;
    }
    LivedTime now() const { return lived_; }

private:
    std::optional<Time> last_;
    LivedTime lived_{};
};

}  // namespace fanfold
