#include "shared/base/timer.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include "shared/base/result.hpp"

namespace fanfold {

Timer::Timer() : fd_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {
    if (fd_ < 0) throw StartupError(std::string("cannot make a timerfd: ") + std::strerror(errno));
}

Timer::~Timer() { close(fd_); }

void Timer::start(Duration time) {
    using std::chrono::seconds, std::chrono::nanoseconds;
    auto whole = std::chrono::duration_cast<seconds>(time);
    itimerspec once{};
    once.it_value.tv_sec = whole.count();
    once.it_value.tv_nsec = std::max<nanoseconds>(time - whole, nanoseconds(1)).count();
    timerfd_settime(fd_, 0, &once, nullptr);
}

void Timer::clear() {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof count);
}

}  // namespace fanfold
