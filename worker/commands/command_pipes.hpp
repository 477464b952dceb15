// The pipes between the runner and its commands: opens them, takes output in, gives input out;
// nothing here blocks. Belongs to the runner's thread. The guardian gets a command's ends of the
// pipes with the request.
#pragma once

#include <array>
#include <cstddef>

#include "shared/base/result.hpp"
#include "worker/commands/command.hpp"
#include "worker/commands/running_command.hpp"
#include "worker/guardian/guardian_protocol.hpp"

namespace fanfold::worker {

/// A command that is ready to be handed to the guardian.
struct Prepared {
    Running running;            // with this side's ends of the pipes; without its times
    guardian::Request request;  // with the command's ends; without an id
};

/// For a command without a flaw. The error names it, and takes nothing from it.
Result<Prepared> prepare(Command& command);

/// Reads the output of commands, through a buffer that they share.
class OutputReader {
public:
    enum class Until : bool { has_paused, end };
    /// Takes what is there, but so much at most that the other streams have their turn. Closes the
    /// pipe at its end. True when there was more than max_output allows; what is over is dropped.
    bool read(Stream& stream, std::size_t max_output, Until until);

private:
    std::array<char, 64 << 10> buffer_;  // a pipe's usual capacity
};

/// Gives the command what it takes now. Closes the pipe after the last byte, or when nobody reads
/// it any more, which is no error.
void write_input(Running& running);

}  // namespace fanfold::worker
