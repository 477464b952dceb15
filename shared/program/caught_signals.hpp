// Signals for a part of a program that is not ours: whatever threads it has, and however they treat
// signals.
#pragma once

#include <signal.h>

#include <thread>

#include "shared/base/wakeup.hpp"
#include "shared/program/signal_source.hpp"

namespace fanfold {

/// Takes SIGINT and SIGTERM while it lives, on whichever thread they arrive; what is ignored stays
/// ignored. The calling thread, and those that it starts meanwhile, are not interrupted by them.
/// Made and destroyed on one thread: that leaves handlers and mask as they were. Several may live
/// at one time; each hears of every signal.
class CaughtSignals : public SignalSource {
public:
    /// Throws StartupError when the system gives no descriptor or thread, or there are too many.
    CaughtSignals();
    ~CaughtSignals() override;
    CaughtSignals(const CaughtSignals&) = delete;
    CaughtSignals& operator=(const CaughtSignals&) = delete;

    int fd() const override { return fd_; }
    /// Some signal that came, as SIGTERM; or 0.
    int read() override;

private:
    Wakeup over_;
    int fd_ = -1;
    sigset_t mask_before_{};
    std::thread taker_;  // which does not block them, as all others may
};

}  // namespace fanfold
