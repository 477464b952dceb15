#include "shared/awake.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace fanfold::net {

namespace {
using Clock = std::chrono::steady_clock;
constexpr auto stay_awake = std::chrono::microseconds(100);
constexpr auto others_ran = std::chrono::microseconds(15);  // between two looks: the processor is not idle, and is theirs
constexpr int most_hope = 4;
thread_local int hope = 0;  // more with each wait that would have been over while awake, less with each other
}  // namespace

int poll_awake(std::vector<pollfd>& items, int milliseconds) {
    if (milliseconds == 0) return ::poll(items.data(), items.size(), 0);
    const auto begin = Clock::now();
    auto looked = begin;
    int found = 0;
    while (hope > 0 && looked - begin < stay_awake) {
        if (found = ::poll(items.data(), items.size(), 0); found != 0) break;
        sched_yield();
        auto now = Clock::now();
        if (now - std::exchange(looked, now) > others_ran) break;
    }
    if (found == 0) found = ::poll(items.data(), items.size(), milliseconds);
    bool was_short = Clock::now() - begin < stay_awake;
    hope = was_short ? std::min(hope + 1, most_hope) : std::max(hope - 1, 0);
    return found;
}

}  // namespace fanfold::net
