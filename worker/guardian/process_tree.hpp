// Finds and kills processes with all their descendants, by reading /proc. Costs a walk over every
// process of the host, so only the slow paths use it: a timeout, an abort, the death of a worker or
// of its guardian. Keeps no state; any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fanfold::worker {

struct Process {
    pid_t pid = 0;
    pid_t parent = 0;
    pid_t group = 0;
    std::uint64_t start = 0;  // ticks since boot: with the pid, the name of one process for ever
    bool dead = false;        // ended, and not yet waited for by its parent
};

/// Nothing when there is no such process.
std::optional<Process> read_process(pid_t pid);

/// Whether this very process, and not a later one under the same pid, still runs.
bool still_runs(const Process& process);

/// Whether the process was started with an environment entry that begins so. False where it may not
/// be read.
bool environment_has(pid_t pid, std::string_view beginning);
/// That entry.
std::optional<std::string> environment_entry(pid_t pid, std::string_view beginning);

/// The pids of the caller's children, the dead among them; of a process of one thread.
std::vector<pid_t> children_of_self();

using Belongs = std::function<bool(const Process&)>;

/// The living processes that belong, and all their living descendants; never the caller itself.
std::vector<Process> find_with_descendants(const Belongs& belongs);

/// Sends SIGSTOP to them all (what is stopped can't fork away), and looks again until none is new.
std::vector<Process> stop_with_descendants(const Belongs& belongs);

/// Stops them all first, then sends SIGKILL to each.
void kill_with_descendants(const Belongs& belongs);

}  // namespace fanfold::worker
