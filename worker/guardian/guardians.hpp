// The guardians that this process has started and that run, for what concerns them all. Any thread.
#pragma once

#include <sys/types.h>

namespace fanfold::worker::guardian {

void add_guardian(pid_t pid);
/// Before it is waited for: its number may be another process's then.
void remove_guardian(pid_t pid);
/// SIGTSTP lets their commands rest, SIGCONT lets them go on.
void signal_guardians(int signal);

}  // namespace fanfold::worker::guardian
