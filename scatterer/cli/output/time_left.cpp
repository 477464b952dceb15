#include "scatterer/cli/output/time_left.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include "scatterer/cli/base/limits.hpp"

namespace fanfold::scatterer::cli {

namespace {
double seconds(std::chrono::steady_clock::duration duration) {
    return std::chrono::duration<double>(duration).count();
}
}  // namespace

void RunTimes::add(std::uint64_t fragments, std::chrono::microseconds together) {
    const auto number = static_cast<double>(fragments);
    const double each = std::chrono::duration<double>(together).count() / number;
    count += number;
    seconds += number * each;
    squares += number * each * each;
}

void TimeLeft::note(Time now, std::uint64_t ended) {
    const std::uint64_t news = std::min<std::uint64_t>(ended - ended_, limits::ages_known);
    ended_ = ended;
    ends_.insert(ends_.end(), news, now);
    while (ends_.size() > limits::ages_known) ends_.pop_front();
}

std::optional<double> TimeLeft::estimate(const Job& job) const {
    const RunTimes& times = job.times;
    if (times.count == 0) return std::nullopt;
    const auto running = static_cast<double>(std::min(job.running, job.unfinished));
    // Of more than these the others are taken to be like them.
    std::vector<double> ages(
        std::min<std::size_t>(static_cast<std::size_t>(running), limits::ages_known),
        seconds(job.now - start_));
    for (std::size_t i = 0; i < std::min(ages.size(), ends_.size()); ++i)
        ages[i] = seconds(job.now - ends_[ends_.size() - 1 - i]);
    const double scale = ages.empty() ? 0 : running / static_cast<double>(ages.size());

    const double ended_mean = times.seconds / times.count;
    const double spread =
        std::sqrt(std::max(0.0, times.squares / times.count - ended_mean * ended_mean));
    double expected = 0;  // run time of those that run
    for (double age : ages) expected += std::max(ended_mean, age + spread / 2);
    const double mean = (times.seconds + scale * expected) / (times.count + running);
    double spent = 0, rest = 0;  // by those that run, and what they still need
    for (double age : ages) {
        spent += std::min(age, mean + spread);
        rest += std::max(mean - age, 0.3 * spread);
    }
    const double elapsed = std::max(seconds(job.now - start_), 1e-3);
    double slots = (times.seconds + scale * spent) / elapsed;
    if (running > 0) slots = std::min(slots, running);
    if (slots <= 0) return std::nullopt;
    const double work = (static_cast<double>(job.unfinished) - running) * mean + scale * rest;
    // At the end slots stand idle until the last one is done.
    return work / slots + spread * std::max(0.0, slots - 1) / (slots + 1);
}

}  // namespace fanfold::scatterer::cli
