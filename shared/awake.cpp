#include "shared/awake.hpp"

#include <sched.h>

#include <chrono>
#include <utility>

namespace fanfold::net {

namespace {
using Clock = std::chrono::steady_clock;
constexpr auto stay_awake = std::chrono::microseconds(100);
constexpr auto others_ran = std::chrono::microseconds(15);  // between two looks: the processor is not idle, and is theirs
constexpr auto short_wait = std::chrono::microseconds(400);
thread_local bool last_was_short = false;
}  // namespace

int poll_awake(std::vector<pollfd>& items, int milliseconds) {
    if (milliseconds == 0) return ::poll(items.data(), items.size(), 0);
    const auto begin = Clock::now();
    auto looked = begin;
    while (last_was_short && looked - begin < stay_awake) {
        if (int found = ::poll(items.data(), items.size(), 0); found != 0) return found;
        sched_yield();
        auto now = Clock::now();
        if (now - std::exchange(looked, now) > others_ran) break;
    }
    int found = ::poll(items.data(), items.size(), milliseconds);
    last_was_short = Clock::now() - begin < short_wait;
    return found;
}

}  // namespace fanfold::net
