// The wire: every message that components exchange, as plain structs; those of clients are in
// client_messages.hpp, those of gatherers in gatherer_messages.hpp, and the parts of all in
// wire_types.hpp. PROTOCOL.md beside this file
// explains them to a stranger; codec.hpp turns them into bytes. A message is one frame, the header,
// or two, header and body.
//
// The header is a MessagePack array: [kind, field, field, …] in the order of `fields`. The rule of
// versions: within one major version fields are only ever appended; a decoder ignores those it does
// not know and gives those that are missing their default. Kinds and enum values are never used
// again for something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/range_set.hpp"
#include "shared/wire/client_messages.hpp"
#include "shared/wire/gatherer_messages.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

// --- any peer and the broker (control: DEALER ↔ ROUTER)

/// The first message of every session; kind and the two version numbers keep their places for ever.
/// Answered by Welcome or Refused.
struct Hello {
    static constexpr std::uint8_t kind = 1;
    std::uint16_t major = version_major;
    std::uint16_t minor = version_minor;
    Role role = Role::client;
    std::string name{};       // stable, for people and logs: the user's, or process_name()
    Epoch epoch{};            // of this life of the peer
    std::uint32_t slots = 0;  // worker: executions at a time
    std::vector<std::string>
        functions{};  // worker: what it offers; command_function where commands may come with a job
    GathererRef gatherer{};  // gatherer: where it is reached
    std::vector<std::string>
        idempotent{};                   // worker: the functions of which a fragment may run twice
    std::vector<std::string> labels{};  // worker: what jobs may require of it
    std::vector<Resource> resources{};  // worker: what its running fragments share
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.major, m.minor, m.role, m.name, m.epoch, m.slots, m.functions, m.gatherer,
                        m.idempotent, m.labels, m.resources);
    };
    static constexpr Bound bounds[] = {
        at_most("name", limits::name_bytes), texts("functions", limits::named, limits::name_bytes),
        texts("idempotent", limits::named, limits::name_bytes),
        texts("labels", limits::named, limits::label_bytes), list("resources", limits::named)};
};

/// Broker → peer: the session stands. The limits are those that this broker enforces.
struct Welcome {
    static constexpr std::uint8_t kind = 2;
    std::uint16_t major = version_major;
    std::uint16_t minor = version_minor;
    Epoch epoch{};  // of the broker; another than last time: it lost its memory of volatile jobs
    std::vector<std::string> blocks{};     // endpoints of its PULL socket
    std::vector<GathererRef> gatherers{};  // connected now
    Milliseconds heartbeat{0};             // send one so often
    Milliseconds timeout{0};               // silence after which the broker gives a peer up
    std::uint64_t payload_bytes = 0;       // most bytes of one fragment's payload
    std::uint64_t block_bytes =
        0;  // most bytes of one block's body, but for a single larger fragment
    std::uint64_t job_credit = 0;  // body bytes that a new job may send before the first Accepted
    std::uint64_t relay_credit =
        0;  // to a worker: body bytes of Relays on their way at a time; 0: none is passed on
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.major, m.minor, m.epoch, m.blocks, m.gatherers, m.heartbeat, m.timeout,
                        m.payload_bytes, m.block_bytes, m.job_credit, m.relay_credit);
    };
    static constexpr Bound bounds[] = {texts("blocks", limits::endpoints, limits::endpoint_bytes),
                                       list("gatherers", limits::gatherers)};
};

/// What was asked for is refused; also a gatherer's answer to a collector. A refusal that names a
/// job is about that job.
struct Refused {
    static constexpr std::uint8_t kind = 3;
    RefusalCode code = RefusalCode::malformed;
    std::string text{};  // names the thing, the value and the way out
    std::optional<JobId> job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.code, m.text, m.job); };
    static constexpr Bound bounds[] = {cut_to("text", limits::reason_bytes)};
};

/// Both ways, every Welcome::heartbeat. From a worker it is the inventory that the broker checks
/// its books against.
struct Heartbeat {
    static constexpr std::uint8_t kind = 4;
    std::uint64_t handled = 0;  // worker: the highest Dispatch::sequence handled in this session;
                                // broker, to a worker: the last one that it has sent
    std::vector<JobRanges> held{};  // worker: on loan, running or waiting for a slot
    std::vector<JobRanges> kept{};  // worker: finished, results kept until released
    std::uint32_t stuck_slots =
        0;                 // worker: slots whose handler ran past its timeout and can't be stopped
    bool leaving = false;  // worker: it ends what runs, and wants nothing more, at present at least
    std::string trouble{};  // gatherer: why it can store nothing at present; worker: why it wants
                            // nothing at present, with `leaving`; empty: all is well
    std::vector<Unreached> unreached{};  // worker, client: gatherers that it can't connect to
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.handled, m.held, m.kept, m.stuck_slots, m.leaving, m.trouble,
                        m.unreached);
    };
    static constexpr Bound bounds[] = {list("held", limits::listed), list("kept", limits::listed),
                                       cut_to("trouble", limits::reason_bytes),
                                       list("unreached", limits::gatherers)};
};

/// A peer leaves in good order: its loans go back to the queue at once, and nobody becomes a
/// suspect.
struct Bye {
    static constexpr std::uint8_t kind = 5;
    std::string reason{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.reason); };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes)};
};

/// On a connection that carries bodies, behind them: what was sent before on this connection has
/// come by now, or never will. Whatever did come is told before the answer, Marked. So loss is
/// known by the order of a connection, and no body is sent again because time has passed.
struct Mark {
    static constexpr std::uint8_t kind = 8;
    JobId job{};
    PeerId owner{};              // at a PULL socket: the control routing id that the answer goes to
    std::uint64_t number = 0;    // of the sender's choice: the answer has it too
    std::uint64_t position = 0;  // of a collector: as Acknowledge::position
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.owner, m.number, m.position);
    };
    static constexpr Bound bounds[] = {at_most("owner", limits::routing_id_bytes)};
};

/// Answers a Mark: the broker a client's, a gatherer a client's, the broker's, or, by way of the
/// broker, a worker's.
struct Marked {
    static constexpr std::uint8_t kind = 9;
    JobId job{};
    PeerId owner{};  // gatherer → broker: whom to tell
    std::uint64_t number = 0;
    std::optional<std::uint64_t>
        position{};  // to a collector: it was sent all before this; without
                     // one the gatherer has no collector of that name
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.owner, m.number, m.position);
    };
    static constexpr Bound bounds[] = {at_most("owner", limits::routing_id_bytes)};
};

// --- broker ↔ worker (control)

/// Broker → worker: run this chunk; the body is its slice of a block. The first dispatch of a job
/// in a session has the brief.
struct Dispatch {
    static constexpr std::uint8_t kind = 30;
    std::uint64_t sequence = 0;  // numbers the dispatches of a session from 1
    JobId job{};
    Index first = 0;
    std::uint32_t count = 0;
    std::uint32_t attempt = 1;  // of each fragment of the chunk
    std::optional<JobBrief> brief{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.sequence, m.job, m.first, m.count, m.attempt, m.brief);
    };
};

/// Worker → broker: what has ended since the last one (failures with their outputs in the body),
/// and what is given back unstarted.
struct Done {
    static constexpr std::uint8_t kind = 31;
    std::vector<DoneRun> runs{};
    std::vector<JobFailures> failures{};
    std::vector<JobRanges> returned{};
    std::vector<JobRanges> recalled{};  // given back because a Recall asked for them
    std::uint64_t recall = 0;           // the number of the last Recall that was obeyed
    std::uint64_t arrived = 0;          // the highest Dispatch::sequence that has come
    std::vector<Trouble> troubles{};    // why some of what is returned could not be run
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.runs, m.failures, m.returned, m.recalled, m.recall, m.arrived,
                        m.troubles);
    };
    static constexpr Bound bounds[] = {
        list("runs", limits::listed), list("failures", limits::listed),
        list("returned", limits::listed), list("recalled", limits::listed),
        list("troubles", limits::listed)};
};

/// Broker → worker: let go of these: stop what runs, drop what waits, free what is kept. Safe at
/// the gatherer, or not wanted.
struct Release {
    static constexpr std::uint8_t kind = 32;
    std::vector<JobRanges> items{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.items); };
    static constexpr Bound bounds[] = {list("items", limits::listed)};
};

/// Broker → worker: the job is over; let go of all of it and forget its brief.
struct Drop {
    static constexpr std::uint8_t kind = 33;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Broker → worker: push the kept results in these ranges (again) to this gatherer. Later results
/// of the job go there too.
struct SendAgain {
    static constexpr std::uint8_t kind = 34;
    JobId job{};
    std::uint32_t assignment = 0;
    GathererRef gatherer{};
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.gatherer, m.ranges);
    };
    static constexpr Bound bounds[] = {list("ranges", limits::listed_ranges)};
};

/// Broker → worker: give back what you have not started of these; another has a slot for it.
/// Done::recalled says what came of it: what is not named there stays on loan.
struct Recall {
    static constexpr std::uint8_t kind = 35;
    std::uint64_t number = 0;  // raised with each Recall of a session
    std::vector<JobRanges> items{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.items); };
    static constexpr Bound bounds[] = {list("items", limits::listed)};
};

/// Broker → worker: what runs here fails far more often than it does elsewhere. It wants nothing
/// until it has passed a check of its own (Heartbeat::trouble).
struct Examine {
    static constexpr std::uint8_t kind = 36;
    std::string reason{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.reason); };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes)};
};

/// Worker → gatherer (PUSH → PULL): the values of consecutive fragments, `count` MessagePack
/// objects back to back.
struct Results {
    static constexpr std::uint8_t kind = 40;
    JobId job{};
    Index first = 0;
    std::uint32_t count = 0;
    RunMeta meta{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.first, m.count, m.meta);
    };
};

/// Worker → broker → gatherer (control): results for a gatherer that the worker can't reach, and a
/// Mark behind them.
struct Relay {
    static constexpr std::uint8_t kind = 41;
    Results results{};
    PeerId owner{};  // from the broker: the worker, as in Mark
    std::uint64_t number = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.results, m.owner, m.number); };
    static constexpr Bound bounds[] = {at_most("owner", limits::routing_id_bytes)};
};

// clang-format off
using Message = std::variant<
    Hello, Welcome, Refused, Heartbeat, Bye, Mark, Marked,                           // any
    Block, Seal, Accepted, Sealed, Cancel, Watch, Located, Notice, Ended, Query,     // client
    Report, Find, Found, Retry, Retried, Adjust, Adjusted, CancelFragments,          // and broker
    FragmentsCancelled,                                                              //
    Dispatch, Done, Release, Drop, SendAgain, Recall, Examine, Results, Relay,       // worker
    Assign, Errors, Gathered, Propose, Forget, Forgotten, AllowedKeys, Holds,        // gatherer
    Describe, Described, Drain, Drained, HandOver, HandedRow, RowTaken,              //
    Collect, Values, Failures, Acknowledge, Concluded>;                              // collector
// clang-format on

/// The message's name, for logs.
const char* name_of(const Message& message);

/// The one job that the message is about, if it is about one.
std::optional<JobId> job_of(const Message& message);

}  // namespace fanfold::wire
