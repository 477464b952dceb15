// Chance from a seed: the same numbers on every machine and with every standard library. Plain
// value.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "shared/base/ids.hpp"

namespace fanfold::simulation {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {
        state_ = next() ^ seed;
    }  // neighbouring seeds have nothing in common

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }
    /// Less than `end`, which is not 0.
    std::uint64_t below(std::uint64_t end) { return next() % end; }
    /// Both ends included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) {
        return low + below(high - low + 1);
    }
    double fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }
    bool chance(double percent) { return fraction() * 100 < percent; }
    /// Short ones as likely as long ones: uniform in the logarithm.
    Duration duration(Duration low, Duration high) {
        double ratio = static_cast<double>(high.count()) / static_cast<double>(low.count());
        return Duration(static_cast<std::int64_t>(static_cast<double>(low.count()) *
                                                  std::pow(ratio, fraction())));
    }
    template <class T>
    const T& pick(const std::vector<T>& from) {
        return from[below(from.size())];
    }

private:
    std::uint64_t state_;
};

}  // namespace fanfold::simulation
