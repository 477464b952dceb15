#include "scatterer/cli/verbs/signal_watch.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>

#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/base/output.hpp"

namespace fanfold::scatterer::cli {

SignalWatch::SignalWatch() {
    struct sigaction inherited {};
    ::sigaction(SIGTSTP, nullptr, &inherited);
    if (inherited.sa_handler != SIG_IGN) reader_.also(SIGTSTP);  // else nobody would wake it again
    thread_ = std::thread([this] { run(); });
}

SignalWatch::~SignalWatch() {
    stop_.wake();
    thread_.join();
}

void SignalWatch::on_signal(std::function<void()> handler, std::string late) {
    std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
    late_ = std::move(late);
}

void SignalWatch::on_pause(std::function<void(bool)> handler) {
    std::lock_guard lock(mutex_);
    pause_handler_ = std::move(handler);
}

void SignalWatch::ignore() {
    std::lock_guard lock(mutex_);
    handler_ = nullptr;
    pause_handler_ = nullptr;
}

void SignalWatch::run() {
    using Clock = std::chrono::steady_clock;
    auto until = Clock::time_point::max();
    for (;;) {
        pollfd items[2] = {{reader_.fd(), POLLIN, 0}, {stop_.fd(), POLLIN, 0}};
        int wait = -1;
        if (until != Clock::time_point::max())
            wait = static_cast<int>(std::max<std::int64_t>(
                0, std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count()));
        (void)::poll(items, 2, wait);
        if (items[1].revents != 0) return;
        if (int signal = reader_.read()) {
            if (signal == SIGTSTP) {
                pause();
                continue;
            }
            handle(signal);
            until = Clock::now() + limits::signal_wait;
        } else if (Clock::now() >= until) {
            leave(caught_, "interrupted: " + late_);
        }
    }
}

void SignalWatch::handle(int signal) {
    if (caught_ != 0) leave(signal, "interrupted again");
    caught_ = signal;
    std::lock_guard lock(mutex_);
    if (!handler_) leave(signal, "interrupted");
    handler_();
}

/// The signal's own action stops all threads here, until the process is continued.
void SignalWatch::pause() {
    std::lock_guard lock(mutex_);
    if (pause_handler_) pause_handler_(true);
    sigset_t terminal_stop;
    sigemptyset(&terminal_stop);
    sigaddset(&terminal_stop, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &terminal_stop, nullptr);
    pthread_kill(pthread_self(), SIGTSTP);
    pthread_sigmask(SIG_BLOCK, &terminal_stop, nullptr);
    if (pause_handler_) pause_handler_(false);
}

void SignalWatch::leave(int signal, const std::string& why) {
    // Other threads may be in the middle of anything, the console among it.
    (void)write_all(2, "fanfold: " + why + '\n');
    ::_exit(exit_signal_base + signal);
}

}  // namespace fanfold::scatterer::cli
