#include "worker/guardian/child_signal.hpp"

#include <utility>

namespace fanfold::worker::guardian {

namespace {

volatile std::sig_atomic_t child_changed = 0;

extern "C" void on_child(int) { child_changed = 1; }

}  // namespace

ChildSignal::ChildSignal() {
    struct sigaction action {};
    action.sa_handler = on_child;
    action.sa_flags = SA_NOCLDSTOP;
    ::sigaction(SIGCHLD, &action, nullptr);
    ::sigfillset(&while_waiting_);
    ::sigprocmask(SIG_SETMASK, &while_waiting_, nullptr);
    ::sigdelset(&while_waiting_, SIGCHLD);
}

bool ChildSignal::take() {
    const bool changed = child_changed != 0;
    child_changed = 0;
    return changed;
}

}  // namespace fanfold::worker::guardian
