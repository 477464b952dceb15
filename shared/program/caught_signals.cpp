#include "shared/program/caught_signals.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <utility>

#include "shared/base/result.hpp"
#include "shared/base/thread.hpp"

namespace fanfold {

namespace {

constexpr std::array caught{SIGINT, SIGTERM};

/// What a handler may use: the descriptors to write to, each as its number plus one; 0: free.
std::array<std::atomic<int>, 64> listeners{};
std::atomic<int> handlers_running{0};

/// Handlers as they were before the first listener. With the mutex.
std::mutex mutex;
std::array<struct sigaction, caught.size()> before{};
int listening = 0;

void on_signal(int) {
    const int error = errno;
    ++handlers_running;
    for (const auto& listener : listeners) {
        const std::uint64_t one = 1;
        if (int fd = listener - 1; fd >= 0) (void)!write(fd, &one, sizeof one);
    }
    --handlers_running;
    errno = error;
}

bool add_listener(int fd) {
    return std::any_of(listeners.begin(), listeners.end(), [&](std::atomic<int>& listener) {
        int free = 0;
        return listener.compare_exchange_strong(free, fd + 1);
    });
}

/// After that nothing is written to it.
void remove_listener(int fd) {
    for (auto& listener : listeners) {
        int own = fd + 1;
        listener.compare_exchange_strong(own, 0);
    }
    while (handlers_running > 0) std::this_thread::yield();
}

void install_handlers() {
    std::lock_guard lock(mutex);
    if (listening++ > 0) return;
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < caught.size(); ++i) {
        sigaction(caught[i], nullptr, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(caught[i], &action, nullptr);
    }
}

void restore_handlers() {
    std::lock_guard lock(mutex);
    if (--listening > 0) return;
    for (std::size_t i = 0; i < caught.size(); ++i) sigaction(caught[i], &before[i], nullptr);
}

sigset_t caught_set() {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : caught) sigaddset(&set, signal);
    return set;
}

}  // namespace

CaughtSignals::CaughtSignals() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC | EFD_SEMAPHORE)) {
    if (fd_ < 0) throw StartupError(std::string("cannot make an eventfd: ") + std::strerror(errno));
    auto taker = start_thread([over = over_.fd()] {
        const sigset_t set = caught_set();
        pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
        pollfd item{over, POLLIN, 0};
        while (poll(&item, 1, -1) < 0) {
        }
    });
    if (!taker) {
        close(fd_);
        throw StartupError(taker.error().text);
    }
    taker_ = *std::move(taker);
    if (!add_listener(fd_)) {
        over_.wake();
        taker_.join();
        close(fd_);
        throw StartupError("too many workers of this process handle signals (" +
                           std::to_string(listeners.size()) +
                           "); let the program do it, and call stop()");
    }
    const sigset_t set = caught_set();
    pthread_sigmask(SIG_BLOCK, &set, &mask_before_);
    install_handlers();
}

CaughtSignals::~CaughtSignals() {
    restore_handlers();
    remove_listener(fd_);
    over_.wake();
    taker_.join();
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    close(fd_);
}

int CaughtSignals::read() {
    std::uint64_t one = 0;
    return ::read(fd_, &one, sizeof one) == sizeof one ? SIGTERM : 0;
}

}  // namespace fanfold
