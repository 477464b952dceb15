#include "shared/net/awake.hpp"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace fanfold::net {

namespace {
using Clock = std::chrono::steady_clock;
constexpr auto stay_awake = std::chrono::microseconds(100);
constexpr auto others_ran =
    std::chrono::microseconds(15);  // between two looks: the processor is not idle, and is theirs
constexpr auto short_wait = std::chrono::microseconds(300);
constexpr int habit = 2;
thread_local int short_waits = 0;  // one after another
}  // namespace

int poll_awake(std::vector<pollfd>& items, int milliseconds) {
    if (milliseconds == 0) return ::poll(items.data(), items.size(), 0);
    const auto begin = Clock::now();
    auto looked = begin;
    int found = 0;
    while (short_waits >= habit && looked - begin < stay_awake) {
        if (found = ::poll(items.data(), items.size(), 0); found != 0) break;
        sched_yield();
        auto now = Clock::now();
        if (now - std::exchange(looked, now) > others_ran) break;
    }
    if (found == 0) found = ::poll(items.data(), items.size(), milliseconds);
    short_waits = Clock::now() - begin < short_wait ? std::min(short_waits + 1, habit) : 0;
    return found;
}

}  // namespace fanfold::net
