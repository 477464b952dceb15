// Runs command lines: many at a time, on one thread of its own that polls their pipes, through a
// guardian process that spawns them and kills them with all their children, on demand and when this
// process dies, be it by SIGKILL. start() and abort() may be called from any thread, on_end's own
// included; on_end is called on the runner's own thread, exactly once for each command, whatever
// happens.
//
// A command has ended when its own process has exited and its stdout and stderr are closed.
// Children that it left in the background, and daemons that fled from it, are killed half a second
// to a second after its exit. A stopped command (timeout, too much output, abort) has ended when
// all its descendants have, wherever they fled.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"
#include "worker/guardian/containment.hpp"

namespace fanfold::worker {

struct Command {
    std::uint64_t id = 0;  // the caller's, unique among the running ones
    std::vector<std::string>
        argv;  // run directly, argv[0] looked up in PATH; a shell is the caller's business
    std::vector<std::string> environment;  // NAME=VALUE, over the inherited ones
    std::string cwd;                       // empty: this process's own when the runner was made
    std::optional<Slice> input;            // its standard input; nothing: /dev/null
    std::size_t max_output = 0;  // bytes of each of stdout and stderr; 0: limits::output_bytes
    Duration timeout{0};         // 0: none
    std::uint64_t after =
        0;  // begins the moment that this running command's process has ended; 0: at once
};

struct CommandEnd {
    enum class How : std::uint8_t {
        exited,      // exit_code says how
        signaled,    // signal says by which; with a message when the guardian died and took the
                     // command with it
        timed_out,   // killed after Command::timeout
        over_limit,  // killed because stdout or stderr passed max_output; out and err are cut there
        not_started,  // message says why: not found, not executable, no such folder, …
        aborted,      // killed because abort() was called, or the runner destroyed
        withdrawn,    // never begun, since the command which it was to follow has taken longer than
                      // expected: start it again
    };
    std::uint64_t id = 0;
    How how = How::exited;
    int exit_code = -1;
    int signal = 0;
    std::string out;
    std::string err;
    std::string message;  // not_started names the command or folder and the system's reason; empty
                          // for exited
    std::chrono::microseconds started{0};  // since 1970
    std::chrono::microseconds elapsed{0};
};

class CommandRunner {
public:
    struct Options {
        std::string guardian;  // path of the guardian program; empty: find_guardian()
        Duration kill_grace = std::chrono::seconds(2);  // between SIGTERM and SIGKILL
        Containment containment = {};
        std::function<void(CommandEnd)> on_end;
        std::function<void()> on_pause =
            {};  // on the runner's thread, before it waits: what on_end has started is on its way
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
    class State;
    std::unique_ptr<State> state_;
};

/// The guardian program: $FANFOLD_GUARDIAN, or `fanfold-guardian` beside this program, or where it
/// was installed or built. An empty string when there is none.
std::string find_guardian();

}  // namespace fanfold::worker
