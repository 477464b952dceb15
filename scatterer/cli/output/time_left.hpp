// How long a job will still take, from what has ended, what runs, and how run times spread. One
// thread; takes the time as an argument.
//
// A fragment starts when another ends, so the latest ends are when those that run began. Their ages
// correct the mean run time, which at first only short ones have gone into, and say how much of
// them is left.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>

namespace fanfold::scatterer::cli {

/// Of fragments that have ended.
struct RunTimes {
    double count = 0;
    double seconds = 0;  // sum
    double squares = 0;  // sum of the squares of seconds

    /// So many, which took that long together.
    void add(std::uint64_t fragments, std::chrono::microseconds together);
};

class TimeLeft {
public:
    using Time = std::chrono::steady_clock::time_point;

    explicit TimeLeft(Time start) : start_(start) {}

    /// So many have ended by now.
    void note(Time now, std::uint64_t ended);

    struct Job {
        Time now;
        RunTimes times;
        std::uint64_t running = 0;     // or wait at workers
        std::uint64_t unfinished = 0;  // those that run included; not 0
    };
    /// In seconds; nothing before the first fragment has ended.
    std::optional<double> estimate(const Job& job) const;

private:
    Time start_;
    std::uint64_t ended_ = 0;
    std::deque<Time> ends_;  // the latest
};

}  // namespace fanfold::scatterer::cli
