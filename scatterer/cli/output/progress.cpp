#include "scatterer/cli/output/progress.hpp"

#include <algorithm>
#include <cstdio>

#include "scatterer/cli/base/limits.hpp"
#include "shared/base/duration.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr double weight_of_news = 0.3;  // in the moving average of the rate

std::string rate_text(double rate) {
    char text[32];
    if (rate >= 1e6) std::snprintf(text, sizeof text, "%.1fM/s", rate / 1e6);
    else if (rate >= 1e4) std::snprintf(text, sizeof text, "%.1fk/s", rate / 1e3);
    else std::snprintf(text, sizeof text, rate >= 10 ? "%.0f/s" : "%.1f/s", rate);
    return text;
}

std::string left_text(double seconds) {
    const std::chrono::duration<double> left(std::clamp(seconds, 1.0, 1e8));
    return ", " + fanfold::to_string(std::chrono::duration_cast<Duration>(left)) + " left";
}

std::string bar(double share) {
    constexpr std::size_t cells = limits::bar_cells;
    auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    return '[' + std::string(full, '#') + std::string(cells - full, '.') + "] ";
}

}  // namespace

std::string progress_line(const ProgressCounts& counts, std::size_t width) {
    const std::uint64_t ended = counts.done + counts.failed;
    double share = 1;
    if (counts.total.value_or(0) > 0)
        share = std::min(1.0, static_cast<double>(ended) / static_cast<double>(*counts.total));
    const std::string drawn = counts.total ? bar(share) : "";
    const std::string percent =
        counts.total ? std::to_string(static_cast<int>(share * 100)) + "% " : "";
    std::string done = std::to_string(counts.done);
    if (counts.total) done += '/' + std::to_string(*counts.total);
    const std::string failed = ", " + std::to_string(counts.failed) + " failed";
    const std::string running =
        counts.running ? ", " + std::to_string(*counts.running) + " running" : "";
    const std::string rate = ", " + rate_text(counts.rate);
    const std::string left = counts.seconds_left ? left_text(*counts.seconds_left) : "";
    const std::string all = done + " done" + failed + running;
    for (const std::string& line :
         {drawn + percent + all + rate + left, percent + all + rate + left, percent + all + left,
          percent + done + " done" + failed + left, done + " done" + failed, done + failed})
        if (line.size() <= width) return line;
    return done.substr(0, width);
}

Progress::Progress(Console& console, std::function<std::uint64_t()> running)
    : console_(console),
      running_(std::move(running)),
      time_left_(Clock::now()),
      measured_(Clock::now()) {}

Progress::~Progress() { console_.clear(); }

void Progress::tick(ProgressCounts counts) {
    const auto now = Clock::now();
    const std::uint64_t ended = counts.done + counts.failed;
    time_left_.note(now, ended);
    if (now - drawn_ < (console_.can_redraw() ? limits::draw_interval : limits::line_interval))
        return;
    drawn_ = now;
    ask_running(now);
    measure(now, ended);
    counts.running = last_running_;
    counts.rate = rate_;
    if (counts.total && *counts.total > ended)
        counts.seconds_left = time_left_.estimate({.now = now,
                                                   .times = counts.run_times,
                                                   .running = last_running_.value_or(0),
                                                   .unfinished = *counts.total - ended});
    console_.draw(progress_line(counts, console_.columns() - 1));
}

void Progress::ask_running(Clock::time_point now) {
    if (!running_ || now - asked_ < limits::measure_interval) return;
    asked_ = now;
    try {
        last_running_ = running_();
    } catch (const std::exception&) {  // a bar without this number is still a bar
        running_ = nullptr;
        last_running_.reset();
    }
}

void Progress::measure(Clock::time_point now, std::uint64_t ended) {
    if (now - measured_ < limits::measure_interval) return;
    double recent = static_cast<double>(ended - last_ended_) /
                    std::chrono::duration<double>(now - measured_).count();
    rate_ = rate_ == 0 ? recent : rate_ * (1 - weight_of_news) + recent * weight_of_news;
    last_ended_ = ended;
    measured_ = now;
}

}  // namespace fanfold::scatterer::cli
