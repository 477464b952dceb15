#include "worker/guardian/poller.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace fanfold::worker {

Result<void> Poller::open(std::uint64_t wake_event) {
    poller_ = Descriptor(::epoll_create1(EPOLL_CLOEXEC));
    if (poller_.open()) wake_ = Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!poller_.open() || !wake_.open())
        return fail("cannot make a poller: " + std::generic_category().message(errno));
    watch(wake_.get(), EPOLLIN, wake_event);
    return {};
}

void Poller::watch(int descriptor, std::uint32_t events, std::uint64_t event) const {
    epoll_event wanted{.events = events, .data = {.u64 = event}};
    ::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, descriptor, &wanted);
}

void Poller::change(int descriptor, std::uint32_t events, std::uint64_t event) const {
    epoll_event wanted{.events = events, .data = {.u64 = event}};
    ::epoll_ctl(poller_.get(), EPOLL_CTL_MOD, descriptor, &wanted);
}

std::span<const epoll_event> Poller::wait(int milliseconds) {
    const int count =
        ::epoll_wait(poller_.get(), events_.data(), static_cast<int>(events_.size()), milliseconds);
    return std::span(events_).first(static_cast<std::size_t>(std::max(count, 0)));
}

void Poller::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void Poller::take_wakes() const {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
}

}  // namespace fanfold::worker
