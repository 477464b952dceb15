// SIGCHLD as a process of one thread waits for it. While the process does anything else all signals
// are blocked, as the runner starts a guardian: what would end its worker does not reach it, and no
// command inherits a signal that is ignored. One object in a process.
#pragma once

#include <csignal>

namespace fanfold::worker::guardian {

class ChildSignal {
public:
    ChildSignal();

    /// The signals to block during a wait.
    const sigset_t& while_waiting() const { return while_waiting_; }
    /// Whether it has come since the last call.
    bool take();

private:
    sigset_t while_waiting_;
};

}  // namespace fanfold::worker::guardian
