// What the worker's core is told, and what it asks for. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/events/events.hpp"
#include "shared/events/walls.hpp"

namespace fanfold::worker {

using SlotId = std::uint32_t;

/// What a slot is asked to run: consecutive fragments of one job, one after the other.
struct Task {
    std::uint64_t number = 0;  // unique in this worker's life; comes back in every event about it
    JobId job;
    Index first = 0;
    std::uint32_t count = 0;
    std::uint32_t attempt = 1;
    Slice body;          // `count` payloads back to back
    wire::JobSpec spec;  // the function, the timeout of each attempt, cwd, environment, max_output
};

// --- events
struct FromBroker {
    wire::Message message;
    Slice body;
};
/// Values of consecutive fragments of a task, in order. An executor flushes what it has at least
/// every limits::flush_interval, and before a failure.
struct Values {
    std::uint64_t task = 0;
    Index first = 0;
    std::uint32_t count = 0;
    Slice body;
    wire::Microseconds started{0};  // since 1970
    wire::Microseconds elapsed{0};
};
/// One fragment of a task ended without a value. `output` is what Failure::output_bytes counts.
struct Failed {
    std::uint64_t task = 0;
    wire::Failure failure;  // attempt and worker are filled in by the core
    Slice output;
    std::optional<wire::TroubleKind> trouble = {};  // it is no failure of the fragment's
};
/// The slot is free again. What the task had not reported is as if never started.
struct Finished {
    std::uint64_t task = 0;
};
/// The handler runs past the job's timeout at this fragment and can't be stopped: the slot is stuck
/// until Finished comes.
struct Overran {
    std::uint64_t task = 0;
    Index index = 0;
};
/// The answer to every Trim: what the task had not begun, and will not run. Empty when it had begun
/// all, or is over.
struct Trimmed {
    std::uint64_t task = 0;
    Range range;
};
/// The handler of the task waits for an inner job, and its thread can run a task of that; or it
/// goes on.
struct Waits {
    std::uint64_t task = 0;
    bool waits = false;
};
/// What came of a Check: why the worker can't run commands, or nothing.
struct Checked {
    std::string why;
};
/// The operator wants the worker to leave: finish what runs, return the rest, then Leave.
struct Drain {};
using Event = std::variant<FromBroker, Arriving, Values, Failed, Finished, Overran, Trimmed, Waits,
                           Checked, Drain, Reach, Garbled, Tick>;

// --- actions
struct SendBroker {
    wire::Message message;
    Slice body = {};
    bool in_parts = false;  // if the body is long: the broker understands that
};
/// PUSH to the gatherer; the shell keeps one connection for each and chooses the endpoint.
struct PushResults {
    wire::GathererRef to;
    wire::Results message;
    Slice body;
};
/// Behind the results that were pushed to it; the shell fills in the connection that is to be
/// answered.
struct PushMark {
    wire::GathererRef to;
    wire::Mark mark;
};
struct Run {
    SlotId slot = 0;
    Task task;
    // The slot whose handler waits, and lends its thread. Should it not wait any more, Waits and
    // Finished follow, and nothing has begun.
    std::optional<SlotId> host = {};
};
/// Stop the task as soon as it can be: kill the command, set the handler's cancellation token.
/// Finished follows.
struct Stop {
    std::uint64_t task = 0;
};
/// Begin nothing more of the task from this index on. Trimmed answers it, exactly once, whether the
/// task still runs or not.
struct Trim {
    std::uint64_t task = 0;
    Index from = 0;
};
/// Find out whether commands can be run. Checked follows.
struct Check {};
/// The broker has been silent past its timeout: the shell makes a new connection (with a new
/// routing id), the core says Hello again.
struct Reconnect {};
/// The worker has left, or all its slots are stuck: the shell ends its loop; `error` is empty when
/// all is well.
struct Leave {
    std::string error;
};
using Action =
    std::variant<SendBroker, PushResults, PushMark, Run, Stop, Trim, Check, Reconnect, Leave, Note>;

}  // namespace fanfold::worker
