// Between MessagePack and commands: what a payload is on standard input, what an end is as a value
// or a failure. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"
#include "worker/commands/command.hpp"
#include "worker/guardian/containment.hpp"

namespace fanfold::worker {

/// For a declared command: text and bytes as they are, anything else as one line of JSON; bytes
/// inside it become arrays of numbers.
Result<Slice> input_of(const Slice& payload);

/// For a command line that comes with the fragment: [argv, stdin], argv an array of texts, stdin
/// text, bytes or nil.
struct ExecPayload {
    std::vector<std::string> argv;
    std::optional<Slice> input;
};
Result<ExecPayload> exec_payload(const Slice& payload);

/// The value of a declared command: text where its output is UTF-8, else bytes.
std::string output_value(std::string_view out);

/// The MessagePack array [stdout, stderr], and, where it ran in a fresh folder in place of its
/// submitter's, names of what it left there.
std::string streams_value(std::string_view out, std::string_view err,
                          std::optional<std::string_view> left = {});

/// Whether it exited with 0.
bool is_success(const CommandEnd& end);

/// What a failure's message tells of the rules under which the command ran.
struct FailureContext {
    wire::Milliseconds timeout{0};
    std::uint64_t max_output = 0;
    CommandLimits limits{};
    bool away = false;  // in a fresh folder in place of its submitter's
};

/// What became of a command that did not; index and attempt are the caller's to fill in.
wire::Failure failure_of(const CommandEnd& end, const FailureContext& context);

}  // namespace fanfold::worker
