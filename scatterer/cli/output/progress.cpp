#include "scatterer/cli/output/progress.hpp"

#include <sys/ioctl.h>

#include <algorithm>
#include <cstdio>

#include "scatterer/cli/base/limits.hpp"
#include "shared/base/duration.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr double weight_of_news = 0.3;  // in the moving average of the rate

std::size_t terminal_width() {
    winsize size{};
    if (::ioctl(2, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

std::string rate_text(double rate) {
    char text[32];
    if (rate >= 1e6) std::snprintf(text, sizeof text, "%.1fM/s", rate / 1e6);
    else if (rate >= 1e4) std::snprintf(text, sizeof text, "%.1fk/s", rate / 1e3);
    else std::snprintf(text, sizeof text, rate >= 10 ? "%.0f/s" : "%.1f/s", rate);
    return text;
}

std::string bar(double share) {
    constexpr std::size_t cells = limits::bar_cells;
    auto full = static_cast<std::size_t>(share * static_cast<double>(cells));
    return '[' + std::string(full, '#') + std::string(cells - full, '.') + "] ";
}

}  // namespace

std::string progress_line(const ProgressCounts& counts, std::size_t width) {
    std::uint64_t ended = counts.done + counts.failed;
    std::string line;
    if (counts.total) {
        double share =
            *counts.total == 0
                ? 1.0
                : std::min(1.0, static_cast<double>(ended) / static_cast<double>(*counts.total));
        line += bar(share) + std::to_string(static_cast<int>(share * 100)) + "% ";
    }
    line += std::to_string(counts.done);
    if (counts.total) line += '/' + std::to_string(*counts.total);
    line += " done, " + std::to_string(counts.failed) + " failed";
    if (counts.running) line += ", " + std::to_string(*counts.running) + " running";
    line += ", " + rate_text(counts.rate);
    if (counts.total && counts.rate > 0 && *counts.total > ended) {
        double seconds = std::min(static_cast<double>(*counts.total - ended) / counts.rate, 1e8);
        line += ", " +
                fanfold::to_string(std::chrono::duration_cast<Duration>(
                    std::chrono::duration<double>(std::max(seconds, 1.0)))) +
                " left";
    }
    if (line.size() > width) line.resize(width);
    return line;
}

Progress::Progress(Console& console, std::function<std::uint64_t()> running)
    : console_(console), running_(std::move(running)), measured_(Clock::now()) {}

void Progress::tick(ProgressCounts counts) {
    auto now = Clock::now();
    if (now - drawn_ < limits::draw_interval) return;
    drawn_ = now;
    ask_running(now);
    measure(now, counts.done + counts.failed);
    counts.running = last_running_;
    counts.rate = rate_;
    console_.draw(progress_line(counts, terminal_width() - 1));
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
