// The signals for which a process of one thread waits: SIGCHLD, and SIGTSTP and SIGCONT, which tell
// it to let its commands rest. While the process does anything else all signals are blocked, as the
// runner starts a guardian: what would end its worker does not reach it, and no command inherits a
// signal that is ignored. One object in a process.
#pragma once

#include <csignal>

namespace fanfold::worker::guardian {

class WaitedSignals {
public:
    WaitedSignals();

    /// The signals to block during a wait.
    const sigset_t& while_waiting() const { return while_waiting_; }
    /// Whether SIGCHLD has come since the last call; likewise the others.
    bool take_child();
    bool take_stop();
    bool take_continue();

private:
    sigset_t while_waiting_;
};

}  // namespace fanfold::worker::guardian
