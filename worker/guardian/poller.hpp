// Waits for events on file descriptors, and lets any thread end the wait. Owned by the thread that
// waits; wake() alone may be called from others.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <span>

#include "shared/base/result.hpp"
#include "worker/guardian/descriptor.hpp"

namespace fanfold::worker {

class Poller {
public:
    /// `wake_event` comes out of wait() when somebody has called wake(). Comes before all else.
    Result<void> open(std::uint64_t wake_event);

    /// EPOLLIN, EPOLLOUT or both; `event` comes out of wait() then. Ends by itself when the
    /// descriptor is closed.
    void watch(int descriptor, std::uint32_t events, std::uint64_t event) const;
    void change(int descriptor, std::uint32_t events, std::uint64_t event) const;

    /// Without an end when `milliseconds` is -1. What it gives is valid until the next call;
    /// nothing after a signal.
    std::span<const epoll_event> wait(int milliseconds);

    void wake() const;
    /// Takes the wakes so far back; the answer to `wake_event`.
    void take_wakes() const;

private:
    Descriptor poller_;
    Descriptor wake_;
    std::array<epoll_event, 64> events_;
};

}  // namespace fanfold::worker
