// The signals of a program of ours, as input of its loop. Before any thread starts, but for read().
#pragma once

#include <signal.h>

#include "shared/program/signal_source.hpp"

namespace fanfold {

/// Reads SIGINT and SIGTERM from a descriptor instead of being interrupted. Made before any thread
/// starts, so that all block them, until the process ends.
class SignalReader : public SignalSource {
public:
    SignalReader();
    /// This signal as well. Also before any thread starts.
    void also(int signal);
    ~SignalReader() override;
    SignalReader(const SignalReader&) = delete;
    SignalReader& operator=(const SignalReader&) = delete;
    int fd() const override { return fd_; }
    int read() override;

private:
    void apply();

    sigset_t signals_{};
    int fd_ = -1;
};

}  // namespace fanfold
