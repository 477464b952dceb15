// What commands get of the machine, and of their worker's surroundings. Plain values and pure
// functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fanfold::worker {

/// Of each process of a command; 0: no limit.
struct CommandLimits {
    std::uint64_t memory = 0;  // bytes of address space
    std::uint64_t cpu = 0;     // seconds of processor time
    std::uint64_t files = 0;   // open at a time
};

struct Containment {
    bool clean_environment =
        false;  // commands get only what passes_to_commands() says; else all that this process has
    std::vector<std::string> kept_names{};  // of environment variables that they get as well
    bool own_folders =
        false;  // each runs in a fresh folder, unless its job names one; else in this process's
    bool job_chooses_surroundings =
        true;  // of declared commands, too: a job may name their environment and folder
    CommandLimits limits{};
    // This process is a subreaper and has no children but one guardian: what comes to it when that
    // dies is killed.
    bool adopts_orphans = false;
    // What runs when the worker's part of this process ends gets SIGTERM and its grace; else it is
    // killed at once.
    bool grace_at_end = false;
    std::string cgroup{};  // below which a guardian makes one for its commands; empty: none
};

/// Whether a command gets this variable of its worker's environment: PATH, HOME, LANG, LC_*, TZ,
/// USER, LOGNAME, SHELL, TMPDIR, and the kept names. What else there is may be a secret.
bool passes_to_commands(const Containment& containment, const std::string& name);

/// As options: "--limit-memory 67108864 and --limit-cpu 5s"; empty when there is none.
std::string to_string(const CommandLimits& limits);

}  // namespace fanfold::worker
