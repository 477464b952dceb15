#include "worker/guardian/guardians.hpp"

#include <csignal>
#include <mutex>
#include <set>

namespace fanfold::worker::guardian {

namespace {
std::mutex mutex;
std::set<pid_t> guardians;
}  // namespace

void add_guardian(pid_t pid) {
    const std::lock_guard lock(mutex);
    guardians.insert(pid);
}

void remove_guardian(pid_t pid) {
    const std::lock_guard lock(mutex);
    guardians.erase(pid);
}

void signal_guardians(int signal) {
    const std::lock_guard lock(mutex);
    for (const pid_t pid : guardians) ::kill(pid, signal);
}

}  // namespace fanfold::worker::guardian
