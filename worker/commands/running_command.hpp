// One running command as its runner sees it, and the translations at both ends of its life: a
// Command into the guardian's request, the guardian's report into a CommandEnd. Belongs to the
// runner's thread; no I/O here.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"
#include "worker/commands/command.hpp"
#include "worker/guardian/descriptor.hpp"
#include "worker/guardian/guardian_protocol.hpp"

namespace fanfold::worker {

struct Stream {
    Descriptor pipe;
    std::string bytes;
};

struct Running {
    std::uint64_t id = 0;
    std::string program;
    std::string cwd;
    std::size_t max_output = 0;
    Stream out;
    Stream err;
    Descriptor in;
    Slice input;
    std::size_t written = 0;
    bool asked_to_stop = false;
    CommandEnd::How why = CommandEnd::How::aborted;  // when asked to stop
    bool over_limit = false;
    bool watched = false;  // its output pipes, by the poller
    bool ended = false;    // its own process; then `report` is filled
    guardian::Report report;
    std::chrono::microseconds started{0};
    Time begin;
    Time due = Time::max();  // of its one timer: the timeout, then the patience with its output
};

/// Why a command can't even be handed to the guardian; empty when it can.
std::string flaw_of(const Command& command);

/// Without its id and descriptors, which the runner adds.
guardian::Request request_of(const Command& command);

/// From the guardian's report. Takes the output away.
CommandEnd end_of(Running& running);

/// For a command that the guardian will never report. An empty message is replaced by one that
/// fits. Takes the output away.
CommandEnd early_end_of(Running& running, CommandEnd::How how, std::string message);

}  // namespace fanfold::worker
