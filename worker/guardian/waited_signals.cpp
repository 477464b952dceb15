#include "worker/guardian/waited_signals.hpp"

#include <array>

namespace fanfold::worker::guardian {

namespace {

volatile std::sig_atomic_t child_changed = 0;
volatile std::sig_atomic_t asked_to_stop = 0;
volatile std::sig_atomic_t asked_to_go_on = 0;

extern "C" void on_waited_signal(int signal) {
    if (signal == SIGCHLD) child_changed = 1;
    if (signal == SIGTSTP) asked_to_stop = 1;
    if (signal == SIGCONT) asked_to_go_on = 1;
}

bool take(volatile std::sig_atomic_t& flag) {
    const bool came = flag != 0;
    flag = 0;
    return came;
}

}  // namespace

WaitedSignals::WaitedSignals() {
    ::sigfillset(&while_waiting_);
    ::sigprocmask(SIG_SETMASK, &while_waiting_, nullptr);
    struct sigaction action {};
    action.sa_handler = on_waited_signal;
    action.sa_flags = SA_NOCLDSTOP;
    for (const int signal : std::array{SIGCHLD, SIGTSTP, SIGCONT}) {
        ::sigaction(signal, &action, nullptr);
        ::sigdelset(&while_waiting_, signal);
    }
}

bool WaitedSignals::take_child() { return take(child_changed); }
bool WaitedSignals::take_stop() { return take(asked_to_stop); }
bool WaitedSignals::take_continue() { return take(asked_to_go_on); }

}  // namespace fanfold::worker::guardian
