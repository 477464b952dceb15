// Runs command lines: many at a time, on one thread of its own that polls their pipes, through a
// guardian process that spawns them and kills them with all their children, on demand and when this
// process dies, be it by SIGKILL.
//
// Threads: start() and abort() may be called from any, on_end's own included; on_end and on_pause
// are called on the runner's own, which owns all but the inbox.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "worker/commands/live_commands.hpp"

namespace fanfold::worker {

class CommandRunner {
public:
    struct Options {
        std::string guardian;  // path of the guardian program; empty: find_guardian()
        Duration kill_grace = limits::kill_grace;  // between SIGTERM and SIGKILL
        Containment containment = {};
        std::function<void(CommandEnd)> on_end;  // exactly once for each command
        std::function<void()> on_pause = {};     // before it waits; what was started is on its way
    };
    /// Starts the guardian. Throws StartupError when it can't be found or started.
    explicit CommandRunner(Options options);
    /// Kills whatever still runs (SIGKILL) and ends the guardian.
    ~CommandRunner();
    CommandRunner(const CommandRunner&) = delete;
    CommandRunner& operator=(const CommandRunner&) = delete;

    /// What can't be started ends as not_started. The id must not be that of a running command.
    void start(Command command);
    /// SIGTERM to the command's process group and descendants, SIGKILL to what is left of them
    /// after the grace. An id that does not run is ignored.
    void abort(std::uint64_t id);

private:
    struct Inbox {
        std::vector<Command> starts;
        std::vector<std::uint64_t> aborts;
        bool empty() const { return starts.empty() && aborts.empty(); }
    };
    void run();
    bool take_inbox();
    void refuse_rest();
    void wake(bool first);

    const std::function<void()> on_pause_;
    Poller poller_;
    LiveCommands commands_;
    bool posted_here_ = false;  // by on_end, since this thread emptied the inbox

    std::mutex mutex_;  // guards the two below
    Inbox inbox_;
    bool ending_ = false;

    std::thread thread_;
};

}  // namespace fanfold::worker
