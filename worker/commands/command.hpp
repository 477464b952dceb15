// A command line that is to be run, and how it ended. Plain values.
//
// A command has ended when its own process has exited and its stdout and stderr are closed.
// Children that it left in the background, and daemons that fled from it, are killed half a second
// to a second after its exit. A stopped command (timeout, too much output, abort) has ended when
// all its descendants have, wherever they fled.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::worker {

struct Command {
    std::uint64_t id = 0;           // the caller's, unique among the running ones
    std::vector<std::string> argv;  // run directly, without a shell; argv[0] is looked up in PATH
    std::vector<std::string> environment;  // NAME=VALUE, over the inherited ones
    std::string cwd;                       // empty: this process's own when the runner was made
    std::optional<Slice> input;            // its standard input; nothing: /dev/null
    std::size_t max_output = 0;  // bytes of each of stdout and stderr; 0: limits::output_bytes
    Duration timeout{0};         // 0: none
};

struct CommandEnd {
    enum class How : std::uint8_t {
        exited,      // exit_code says how
        signaled,    // signal says by which; with a message when the guardian died with it
        timed_out,   // killed after Command::timeout
        over_limit,  // killed because stdout or stderr passed max_output; out and err are cut there
        not_started,  // message says why: not found, not executable, no such folder, …
        aborted,      // killed because abort() was called, or the runner destroyed
    };
    std::uint64_t id = 0;
    How how = How::exited;
    int exit_code = -1;
    int signal = 0;
    std::string out;
    std::string err;
    std::optional<wire::TroubleKind> trouble{};  // whose it is, when it is not the command's own
    std::string message;  // not_started names the command or folder and the system's reason; empty
                          // for exited
    std::chrono::microseconds started{0};  // since 1970
    std::chrono::microseconds elapsed{0};
    std::string left{};  // names of what was in its own folder, which is gone
};

}  // namespace fanfold::worker
