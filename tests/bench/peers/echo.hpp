// What the programs for other systems share: the same work for each, measured in the same way. Two
// workers give back the 16 bytes that they get; each result is compared. One thread calls.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/bench/measure.hpp"

namespace fanfold::bench {

constexpr std::uint32_t peer_workers = 2;

/// What travels: a payload and its place.
struct Numbered {
    std::uint64_t index = 0;
    Small payload;
};

/// The results of a job, as they come in whatever order.
class Results {
public:
    explicit Results(std::uint64_t count) : there_(count) {}
    void take(const void* data, std::size_t size) {
        Numbered result;
        check(size == sizeof(result), "a result has its size");
        std::copy_n(static_cast<const char*>(data), size, reinterpret_cast<char*>(&result));
        check(result.index < there_.size() && !there_[result.index],
              "a result is of this job, and comes once");
        check(result.payload == small_payload(result.index), "a result is its fragment's");
        there_[result.index] = true;
        ++received_;
    }
    bool complete() const { return received_ == there_.size(); }

private:
    std::vector<bool> there_;
    std::uint64_t received_ = 0;
};

inline Numbered numbered(std::uint64_t index) {
    return {.index = index, .payload = small_payload(index)};
}

/// `run` sends so many fragments and returns when all are back. Prints how many go in a second, in
/// jobs of `large` one after another for `seconds`, and the times of jobs of 10, for as long.
inline void measure_echo(double seconds, std::uint64_t large,
                         const std::function<void(std::uint64_t)>& run) {
    run(job_fragments);  // to warm up
    std::uint64_t done = 0;
    auto begin = Clock::now();
    while (seconds_since(begin) < seconds) run(large), done += large;
    print_figure("per_second", static_cast<double>(done) / seconds_since(begin));
    std::vector<double> times;
    for (auto start = Clock::now(); seconds_since(start) < seconds;) {
        auto job = Clock::now();
        run(job_fragments);
        times.push_back(seconds_since(job));
    }
    print_latencies(std::move(times));
}

/// usage: PROGRAM SECONDS PORT
inline int peer_main(int count, char** arguments, void (*run)(double seconds, int port)) {
    try {
        if (count != 3) throw std::runtime_error("usage: PROGRAM SECONDS PORT");
        run(std::stod(arguments[1]), std::stoi(arguments[2]));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
        return 1;
    }
}

}  // namespace fanfold::bench
