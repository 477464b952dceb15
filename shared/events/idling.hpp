// How seldom those who have nothing to do wake up. Constants and pure functions, any thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"

namespace fanfold {

/// A worker that holds and keeps nothing, and the broker to it, beat but once in so many
/// heartbeats: three of these, each up to a quarter of a heartbeat late, fit into the timeout.
inline std::int64_t idle_beats(Duration heartbeat, Duration timeout) {
    constexpr std::int64_t most = 3;
    if (heartbeat <= Duration(0) || heartbeat >= timeout / most) return 1;
    return std::clamp<std::int64_t>((timeout - heartbeat) / (3 * heartbeat), 1, most);
}

}  // namespace fanfold
