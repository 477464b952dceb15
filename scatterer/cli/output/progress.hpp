// The progress bar: done, failed, running, rate, time left. Drawn by the thread that collects, a
// few times a second.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/output/time_left.hpp"

namespace fanfold::scatterer::cli {

struct ProgressCounts {
    std::uint64_t done = 0;  // with a value
    std::uint64_t failed = 0;
    std::optional<std::uint64_t> running;  // where the broker told
    std::optional<std::uint64_t> total;    // once all inputs are read
    double rate = 0;                       // fragments a second, lately
    std::optional<double> seconds_left = {};
    RunTimes run_times = {};  // of those that have ended
};

/// One line of at most `width` columns: what does not fit is left out, the bar first, the counts
/// last.
std::string progress_line(const ProgressCounts& counts, std::size_t width);

class Progress {
public:
    using Clock = std::chrono::steady_clock;

    /// `running` asks for the number of fragments that run now; it is called about once a second,
    /// and no more once it threw.
    Progress(Console& console, std::function<std::uint64_t()> running);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Draws if it is time to.
    void tick(ProgressCounts counts);

private:
    void ask_running(Clock::time_point now);
    void measure(Clock::time_point now, std::uint64_t ended);

    Console& console_;
    std::function<std::uint64_t()> running_;
    std::optional<std::uint64_t> last_running_;
    double rate_ = 0;
    std::uint64_t last_ended_ = 0;
    TimeLeft time_left_;
    Clock::time_point measured_;
    Clock::time_point asked_{};
    Clock::time_point drawn_{};
};

}  // namespace fanfold::scatterer::cli
