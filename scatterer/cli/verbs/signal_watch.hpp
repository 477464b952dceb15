// Ctrl-C, SIGTERM and Ctrl-Z. Made before any other thread, so that all of them leave these signals
// to this one's thread. Without a handler a signal ends the program at once. With one, the first
// signal calls it and gives the program a few seconds to end in good order; the second, or the end
// of that time, ends it at once.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "shared/base/wakeup.hpp"
#include "shared/program/signals.hpp"

namespace fanfold::scatterer::cli {

class SignalWatch {
public:
    SignalWatch();
    ~SignalWatch();
    SignalWatch(const SignalWatch&) = delete;
    SignalWatch& operator=(const SignalWatch&) = delete;

    /// The handler is called on this object's thread, at most once. It must outlive its use here:
    /// see ignore(). `late` is said when the program has not ended in time.
    void on_signal(std::function<void()> handler, std::string late);
    /// Called with true before Ctrl-Z stops the program, with false when it goes on; on this
    /// object's thread. As the handler, it must outlive its use here.
    void on_pause(std::function<void(bool)> handler);
    /// No handlers any more; one that is being called returns before this does.
    void ignore();
    /// The signal that came, or 0.
    int caught() const { return caught_; }

private:
    void run();
    void handle(int signal);
    void pause();
    [[noreturn]] void leave(int signal, const std::string& why);

    SignalReader reader_;
    Wakeup stop_;
    std::mutex mutex_;
    std::function<void()> handler_;
    std::function<void(bool)> pause_handler_;
    std::string late_;
    std::atomic<int> caught_{0};
    std::thread thread_;
};

}  // namespace fanfold::scatterer::cli
