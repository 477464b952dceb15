// The progress bar: its line, where it stands, and the time left.
#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "scatterer/cli/output/progress.hpp"

using namespace fanfold::scatterer::cli;
using namespace std::chrono_literals;

TEST_CASE("with the total known") {
    ProgressCounts counts{
        .done = 48, .failed = 2, .running = 4, .total = 100, .rate = 12.5, .seconds_left = 4};
    CHECK(progress_line(counts, 100) ==
          "[##########..........] 50% 48/100 done, 2 failed, 4 running, 12/s, 4s left");
    CHECK(progress_line({.done = 100, .failed = 0, .running = 0, .total = 100, .rate = 3}, 100) ==
          "[####################] 100% 100/100 done, 0 failed, 0 running, 3.0/s");
    CHECK(progress_line({.done = 0, .failed = 0, .running = {}, .total = 0, .rate = 0}, 100)
              .starts_with("[####################] 100%"));
    SUBCASE("where it is narrow the bar goes first, and the counts last") {
        CHECK(progress_line(counts, 60) == "50% 48/100 done, 2 failed, 4 running, 12/s, 4s left");
        CHECK(progress_line(counts, 40) == "50% 48/100 done, 2 failed, 4s left");
        CHECK(progress_line(counts, 24) == "48/100 done, 2 failed");
        CHECK(progress_line(counts, 19) == "48/100, 2 failed");
        CHECK(progress_line(counts, 8) == "48/100");
    }
}

TEST_CASE("while inputs are still being read") {
    CHECK(progress_line({.done = 5, .failed = 0, .running = {}, .total = {}, .rate = 2.5e6}, 100) ==
          "5 done, 0 failed, 2.5M/s");
    CHECK(progress_line({.done = 5, .failed = 0, .running = {}, .total = {}, .rate = 12'345}, 10) ==
          "5");
}

namespace {

/// What a terminal gets.
class Terminal {
public:
    Terminal() {
        winsize size{.ws_row = 24, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
        REQUIRE(::openpty(&own_, &far, nullptr, nullptr, &size) == 0);
    }
    ~Terminal() { ::close(own_), ::close(far); }
    /// Whether it gets just that next; the system may take a while to pass it on.
    bool gets(const std::string& wanted) {
        std::string got;
        pollfd item{own_, POLLIN, 0};
        while (got.size() < wanted.size() && ::poll(&item, 1, 20'000) == 1) {
            char buffer[4096];
            const ssize_t size = ::read(own_, buffer, sizeof buffer);
            if (size <= 0) break;
            got.append(buffer, static_cast<std::size_t>(size));
        }
        return got == wanted;
    }
    int far = -1;

private:
    int own_ = -1;
};

}  // namespace

TEST_CASE("the bar stands below what is printed, and is drawn with it") {
    ::setenv("TERM", "xterm", 1);
    Terminal terminal;
    Console console(terminal.far);
    REQUIRE(console.can_redraw());
    console.draw("BAR");
    CHECK(terminal.gets("BAR\r"));
    CHECK(console.pass_to(terminal.far, "a line\n"));
    CHECK(terminal.gets("\r\x1b[Ja line\r\nBAR\r"));
    console.pass("a line's beg");
    CHECK(
        terminal.gets("\r\x1b[Ja line's beg\x1b"
                      "D\x1b[A\x1b"
                      "7\x1b[B\rBAR\x1b"
                      "8"));
    console.pass("inning\n");
    CHECK(terminal.gets("\x1b[Jinning\r\nBAR\r"));
    console.clear();
    CHECK(terminal.gets("\r\x1b[J"));
    SUBCASE("a dumb terminal gets lines") {
        ::setenv("TERM", "dumb", 1);
        Console dumb(terminal.far);
        dumb.draw("BAR");
        dumb.pass("a line\n");
        dumb.clear();
        CHECK(terminal.gets("BAR\r\na line\r\n"));
    }
}

namespace {

/// A job of so many fragments on four slots, in virtual time; returns the worst error of the time
/// left from a tenth of the job on, as a share of how long the job took.
double worst_error(const std::vector<double>& sleeps) {
    constexpr std::size_t slots = 4;
    using Run = std::pair<double, double>;  // its end, and how long it took
    std::priority_queue<Run, std::vector<Run>, std::greater<>> running;
    for (std::size_t i = 0; i < slots; ++i) running.emplace(sleeps[i], sleeps[i]);
    const TimeLeft::Time start{};
    const auto at = [&](double seconds) {
        return start + std::chrono::duration_cast<TimeLeft::Time::duration>(
                           std::chrono::duration<double>(seconds));
    };
    TimeLeft time_left(start);
    RunTimes times;
    std::vector<std::pair<double, double>> said;  // when, and the end that it meant
    double now = 0;
    for (std::size_t ended = 1, next = slots; !running.empty(); ++ended) {
        const auto [end, took] = running.top();
        running.pop();
        now = end;
        times.add(1, std::chrono::microseconds(static_cast<std::int64_t>(took * 1e6)));
        if (next < sleeps.size()) running.emplace(now + sleeps[next], sleeps[next]), ++next;
        time_left.note(at(now), ended);
        if (ended * 10 < sleeps.size() || running.empty()) continue;
        const auto left = time_left.estimate({.now = at(now),
                                              .times = times,
                                              .running = running.size(),
                                              .unfinished = sleeps.size() - ended});
        said.emplace_back(now, now + left.value_or(0));
    }
    double worst = 0;
    for (const auto& [when, end] : said) worst = std::max(worst, std::abs(end - now));
    return worst / now;
}

}  // namespace

TEST_CASE("the time left is right within a fifth from a tenth of the job on") {
    std::vector<double> sleeps;
    SUBCASE("of equal fragments") { sleeps.assign(200, 3); }
    SUBCASE("of fragments of one to five seconds, in turn") {
        for (int i = 0; i < 200; ++i) sleeps.push_back(1 + i % 5);
    }
    SUBCASE("of fragments of one to five seconds, mixed") {
        std::mt19937 random(1);
        for (int i = 0; i < 200; ++i) sleeps.push_back(1 + i % 5);
        std::shuffle(sleeps.begin(), sleeps.end(), random);
    }
    SUBCASE("of fragments far shorter than it takes to hand them on") { sleeps.assign(5000, 1e-4); }
    CHECK(worst_error(sleeps) < 0.2);
}

TEST_CASE("no time left is known before something has ended") {
    const TimeLeft time_left({});
    CHECK_FALSE(time_left.estimate({.now = {}, .times = {}, .running = 4, .unfinished = 9}));
}
