// Signals as input of a loop. Before any thread starts, but for read().
#pragma once

#include <signal.h>

namespace fanfold {

/// Reads SIGINT and SIGTERM from a descriptor instead of being interrupted. Made before any thread
/// starts, so that all block them.
class SignalReader {
public:
    SignalReader();
    /// This signal as well. Also before any thread starts.
    void also(int signal);
    ~SignalReader();
    SignalReader(const SignalReader&) = delete;
    SignalReader& operator=(const SignalReader&) = delete;
    int fd() const { return fd_; }
    /// The signal that came, or 0.
    int read();

private:
    void apply();

    sigset_t signals_{};
    int fd_ = -1;
};

}  // namespace fanfold
