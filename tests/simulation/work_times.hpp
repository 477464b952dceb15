// Times of uneven work, from a seed, and how long they take when nothing is lost: what schedules
// are compared with. Pure functions.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <numeric>
#include <queue>
#include <vector>

#include "tests/simulation/random.hpp"

namespace fanfold::simulation {

/// `count` draws from a Pareto distribution of exponent 1.2, none longer than 200 times the
/// shortest possible, in sum `total`.
inline std::vector<Duration> pareto_times(std::uint64_t seed, std::size_t count, Duration total) {
    constexpr double exponent = 1.2, longest = 200;
    Random random(seed);
    std::vector<double> draws(count);
    for (double& draw : draws)
        draw = std::min(std::pow(1 - random.fraction(), -1 / exponent), longest);
    double scale =
        static_cast<double>(total.count()) / std::accumulate(draws.begin(), draws.end(), 0.0);
    std::vector<Duration> times;
    times.reserve(count);
    for (double draw : draws) times.emplace_back(static_cast<std::int64_t>(draw * scale));
    return times;
}

/// Greedy list scheduling (Graham 1966): each takes, in their order, the slot that is free first.
/// Returns when the last one ends.
inline Duration greedy_makespan(const std::vector<Duration>& times, std::size_t slots) {
    std::priority_queue<Duration, std::vector<Duration>, std::greater<>> free(
        std::greater<>{}, std::vector<Duration>(slots));
    Duration end{};
    for (Duration time : times) {
        Duration done = free.top() + time;
        free.pop();
        free.push(done);
        end = std::max(end, done);
    }
    return end;
}

}  // namespace fanfold::simulation
