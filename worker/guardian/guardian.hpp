// Spawns a worker's command lines and kills them with all their children, on demand and when the
// worker is gone, be it by SIGKILL. A subreaper: whatever its commands leave behind becomes its own
// child, so that nothing can hide from it. The one thread of its process owns all of it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "worker/guardian/leftovers.hpp"
#include "worker/guardian/spawn.hpp"
#include "worker/guardian/stopped_commands.hpp"
#include "worker/guardian/waited_signals.hpp"
#include "worker/guardian/work_folders.hpp"

namespace fanfold::worker::guardian {

class Guardian {
public:
    struct Options {
        std::string name;      // unlike any other guardian's
        Descriptor parent;     // readable when the worker has ended; may be closed
        CommandLimits limits;  // of each process of a command
        std::string folder;    // in which commands get one each; may be empty
        std::string cgroup;    // below which commands get one each; may be empty
    };
    explicit Guardian(Options options);

    /// Returns when the worker is gone and everything that it started is dead.
    void run();

private:
    using Clock = std::chrono::steady_clock;
    struct Running {
        std::uint64_t id = 0;
        std::int64_t started = 0;
        Clock::time_point begin;
    };

    bool wait();
    std::chrono::nanoseconds time_to_wait() const;
    bool take_requests();
    void obey();
    void spawn();
    void stop(const RequestHeader& request);
    void reap();
    void follow_terminal();
    void take_exit(const Running& running, int status);
    void drop_folder(Report& ended);
    void scan_leftovers(Clock::time_point now);
    void kill_everything();

    const CommandMarks marks_;
    const Descriptor parent_;
    WaitedSignals signals_;
    Spawner spawner_;
    WorkFolders folders_;
    Leftovers leftovers_;
    StoppedCommands stopped_;
    Request request_;
    bool socket_ready_ = false;
    std::unordered_map<pid_t, Running> running_;  // by pid, which is also their process group
    std::vector<Process> resting_;                // while the worker is stopped at its terminal
    std::vector<Report> reports_;                 // not yet sent
};

}  // namespace fanfold::worker::guardian
