// The wire: every message that components exchange, as plain structs; wire_types.hpp has their parts. PROTOCOL.md beside
// this file explains them to a stranger; codec.hpp turns them into bytes. A message is one frame, the header, or two,
// header and body.
//
// The header is a MessagePack array: [kind, field, field, …] in the order of `fields`. The rule of versions: within one
// major version fields are only ever appended; a decoder ignores those it does not know and gives those that are
// missing their default. Kinds and enum values are never used again for something else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "shared/ids.hpp"
#include "shared/range_set.hpp"
#include "shared/wire_types.hpp"

namespace fanfold::wire {

inline constexpr std::uint16_t version_major = 1;
inline constexpr std::uint16_t version_minor = 1;

// --- any peer and the broker (control: DEALER ↔ ROUTER) -----------------------------------------------------

/// The first message of every session; kind and the two version numbers keep their places for ever. Answered by Welcome or Refused.
struct Hello {
    static constexpr std::uint8_t kind = 1;
    std::uint16_t major = version_major;
    std::uint16_t minor = version_minor;
    Role role = Role::client;
    std::string name{};                    // stable, for people and logs: host-pid unless the user chose one
    Epoch epoch{};                         // of this life of the peer
    std::uint32_t slots = 0;               // worker: executions at a time
    std::vector<std::string> functions{};  // worker: what it offers; `fanfold.exec` where commands may come with a job
    GathererRef gatherer{};                // gatherer: where it is reached
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.major, m.minor, m.role, m.name, m.epoch, m.slots, m.functions, m.gatherer);
    };
};

/// Broker → peer: the session stands. The limits are those that this broker enforces.
struct Welcome {
    static constexpr std::uint8_t kind = 2;
    std::uint16_t major = version_major;
    std::uint16_t minor = version_minor;
    Epoch epoch{};                         // of the broker; another than last time: it lost its memory of volatile jobs
    std::vector<std::string> blocks{};     // endpoints of its PULL socket
    std::vector<GathererRef> gatherers{};  // connected now
    Milliseconds heartbeat{0};             // send one so often
    Milliseconds timeout{0};               // silence after which the broker gives a peer up
    std::uint64_t payload_bytes = 0;       // most bytes of one fragment's payload
    std::uint64_t block_bytes = 0;         // most bytes of one block's body, but for a single larger fragment
    std::uint64_t job_credit = 0;          // body bytes that a new job may send before the first Accepted
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.major, m.minor, m.epoch, m.blocks, m.gatherers, m.heartbeat, m.timeout, m.payload_bytes, m.block_bytes,
                        m.job_credit);
    };
};

/// What was asked for is refused; also a gatherer's answer to a collector. A refusal that names a job is about that job.
struct Refused {
    static constexpr std::uint8_t kind = 3;
    RefusalCode code = RefusalCode::malformed;
    std::string text{};  // names the thing, the value and the way out
    std::optional<JobId> job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.code, m.text, m.job); };
};

/// Both ways, every Welcome::heartbeat. From a worker it is the inventory that the broker checks its books against.
struct Heartbeat {
    static constexpr std::uint8_t kind = 4;
    std::uint64_t handled = 0;      // worker: the highest Dispatch::sequence handled in this session
    std::vector<JobRanges> held{};  // worker: on loan, running or waiting for a slot
    std::vector<JobRanges> kept{};  // worker: finished, results kept until released
    std::uint32_t stuck_slots = 0;  // worker: slots whose handler ran past its timeout and can't be stopped
    static constexpr auto fields = [](auto& m) { return std::tie(m.handled, m.held, m.kept, m.stuck_slots); };
};

/// A peer leaves in good order: its loans go back to the queue at once, and nobody becomes a suspect.
struct Bye {
    static constexpr std::uint8_t kind = 5;
    std::string reason{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.reason); };
};

// --- client → broker ------------------------------------------------------------------------------------------

/// A run of consecutive fragments (PUSH → PULL). The body holds `count` MessagePack objects back to back. `cuts` holds the
/// byte offset of fragments stride, 2·stride, … (32-bit little-endian), so that it can be sliced without decoding all of it.
/// The first block (first = 0) of a job carries the spec. The last may carry the total, which seals the job.
/// A block that was already taken is ignored; one that leaves a gap is answered with Accepted, and sent again from there.
/// Of a job with a key, each block has the digest (XXH3, 128 bits, big-endian) of all payloads of the job up to its end.
struct Block {
    static constexpr std::uint8_t kind = 10;
    JobId job{};
    std::uint64_t token = 0;  // the owner's secret, random, the same in every message about the job
    Index first = 0;
    std::uint32_t count = 0;
    std::uint32_t stride = 0;
    std::string cuts{};
    std::optional<JobSpec> spec{};
    std::optional<std::uint64_t> total{};
    std::string digest{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.token, m.first, m.count, m.stride, m.cuts, m.spec, m.total, m.digest);
    };
};

/// Client → broker (control): the job has exactly `total` fragments. Sent again until Sealed.
struct Seal {
    static constexpr std::uint8_t kind = 11;
    JobId job{};
    std::uint64_t token = 0;
    std::uint64_t total = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.token, m.total); };
};

/// Broker → client: the fragments before `next` are accepted; the job's body bytes may be sent up to `limit` (both cumulative).
struct Accepted {
    static constexpr std::uint8_t kind = 12;
    JobId job{};
    Index next = 0;
    std::uint64_t limit = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.next, m.limit); };
};

/// Broker → client: the seal is accepted.
struct Sealed {
    static constexpr std::uint8_t kind = 13;
    JobId job{};
    std::uint64_t total = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.total); };
};

/// Client → broker: end the job as `cancelled`.
struct Cancel {
    static constexpr std::uint8_t kind = 14;
    JobId job{};
    std::string reason{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.reason); };
};

/// Client → broker: tell me where the job is gathered, and when it has ended. Answered by Located, later Ended; or Refused.
struct Watch {
    static constexpr std::uint8_t kind = 15;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Broker → owner, watchers: who gathers the job. Said again when that changes; a collector then starts over with the new gatherer.
struct Located {
    static constexpr std::uint8_t kind = 16;
    JobId job{};
    std::uint32_t assignment = 0;  // raised each time the job is given to a gatherer
    GathererRef gatherer{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.assignment, m.gatherer); };
};

/// Broker → owner: something that a person should know about a job that goes on, such as that no worker offers its function.
struct Notice {
    static constexpr std::uint8_t kind = 17;
    JobId job{};
    std::string text{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.text); };
};

/// Broker → owner, watchers and gatherer: the job has ended, this way and no other.
struct Ended {
    static constexpr std::uint8_t kind = 18;
    JobId job{};
    std::uint32_t assignment = 0;
    Outcome outcome = Outcome::running;
    std::string reason{};                  // empty when there is nothing to add
    std::optional<std::uint64_t> total{};  // if the job was sealed
    std::uint64_t values = 0;              // safe at the gatherer, as far as the broker knows
    std::vector<Missing> missing{};        // why fragments have no value: the broker's part, "cancelled" and "never started"
    bool lost = false;                     // values that were safe are gone: the job can't be retried
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.outcome, m.reason, m.total, m.values, m.missing, m.lost);
    };
};

/// Client → broker: what is there? Answered by Report.
struct Query {
    static constexpr std::uint8_t kind = 19;
    std::uint64_t number = 0;  // comes back in the report
    Topic topic = Topic::jobs;
    std::string selector{};  // jobs: empty for all; `last`; a beginning or an end of an id
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.topic, m.selector); };
};

struct Report {
    static constexpr std::uint8_t kind = 20;
    std::uint64_t number = 0;
    std::vector<JobInfo> jobs{};        // newest last
    std::vector<WorkerInfo> workers{};  // by name
    std::vector<GathererRef> gatherers{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.jobs, m.workers, m.gatherers); };
};

/// Client → broker: which job has this key? Answered by Found. Unsealed and its client gone, it is the asker's, under this token.
struct Find {
    static constexpr std::uint8_t kind = 21;
    std::uint64_t number = 0;  // comes back in the answer
    std::string key{};
    std::uint64_t token = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.key, m.token); };
};

/// Broker → client: the job with the key, as far as it is accepted; or none.
struct Found {
    static constexpr std::uint8_t kind = 22;
    std::uint64_t number = 0;
    std::optional<JobId> job{};
    bool busy = false;  // another client is submitting it
    JobSpec spec{};
    Index next = 0;           // fragments accepted
    std::uint64_t bytes = 0;  // of their payloads
    std::uint64_t limit = 0;  // as in Accepted
    std::string digest{};     // as in Block, of the fragments accepted
    std::optional<std::uint64_t> total{};
    Outcome outcome = Outcome::running;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.number, m.job, m.busy, m.spec, m.next, m.bytes, m.limit, m.digest, m.total, m.outcome);
    };
};

/// Client → broker: run again what has no value in an ended job that is not attached. Answered by Retried or Refused.
struct Retry {
    static constexpr std::uint8_t kind = 23;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Broker → client: the job runs again.
struct Retried {
    static constexpr std::uint8_t kind = 24;
    JobId job{};
    std::uint32_t round = 0;      // how often it was retried
    std::uint64_t fragments = 0;  // that run again
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.round, m.fragments); };
};

/// Client → broker: what is given changes in a job that runs. Answered by Adjusted or Refused.
struct Adjust {
    static constexpr std::uint8_t kind = 25;
    JobId job{};
    std::optional<std::int32_t> priority{};
    std::optional<double> weight{};
    std::optional<std::uint32_t> max_running{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.priority, m.weight, m.max_running); };
};

/// Broker → client: the job's share from now on.
struct Adjusted {
    static constexpr std::uint8_t kind = 26;
    JobId job{};
    JobShare share{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.share); };
};

// --- broker ↔ worker (control) --------------------------------------------------------------------------------

/// Broker → worker: run this chunk; the body is its slice of a block. The first dispatch of a job in a session has the brief.
struct Dispatch {
    static constexpr std::uint8_t kind = 30;
    std::uint64_t sequence = 0;  // numbers the dispatches of a session from 1
    JobId job{};
    Index first = 0;
    std::uint32_t count = 0;
    std::uint32_t attempt = 1;  // of each fragment of the chunk
    std::optional<JobBrief> brief{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.sequence, m.job, m.first, m.count, m.attempt, m.brief); };
};

/// Worker → broker: what has ended since the last one (failures with their outputs in the body), and what is given back unstarted.
struct Done {
    static constexpr std::uint8_t kind = 31;
    std::vector<DoneRun> runs{};
    std::vector<JobFailures> failures{};
    std::vector<JobRanges> returned{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.runs, m.failures, m.returned); };
};

/// Broker → worker: let go of these: stop what runs, drop what waits, free what is kept. Safe at the gatherer, or not wanted.
struct Release {
    static constexpr std::uint8_t kind = 32;
    std::vector<JobRanges> items{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.items); };
};

/// Broker → worker: the job is over; let go of all of it and forget its brief.
struct Drop {
    static constexpr std::uint8_t kind = 33;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Broker → worker: push the kept results in these ranges (again) to this gatherer. Later results of the job go there too.
struct SendAgain {
    static constexpr std::uint8_t kind = 34;
    JobId job{};
    std::uint32_t assignment = 0;
    GathererRef gatherer{};
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.assignment, m.gatherer, m.ranges); };
};

/// Worker → gatherer (PUSH → PULL): the values of consecutive fragments, `count` MessagePack objects back to back.
struct Results {
    static constexpr std::uint8_t kind = 40;
    JobId job{};
    Index first = 0;
    std::uint32_t count = 0;
    RunMeta meta{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.first, m.count, m.meta); };
};

// --- broker ↔ gatherer (control) ------------------------------------------------------------------------------

/// Broker → gatherer: the job is yours. Sent again, with the same assignment, when the total becomes known.
struct Assign {
    static constexpr std::uint8_t kind = 50;
    JobId job{};
    std::uint32_t assignment = 0;
    JobSpec spec{};  // its deadline is what remains at sending
    std::optional<std::uint64_t> total{};
    std::uint32_t round = 0;  // raised by each retry: the job gathers again, its failures are let go of, its values stay
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.assignment, m.spec, m.total, m.round); };
};

/// Broker → gatherer: these errors are final. Outputs in the body. Confirmed like results, by Gathered.
struct Errors {
    static constexpr std::uint8_t kind = 51;
    JobId job{};
    std::vector<Failure> failures{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.failures); };
};

/// Gatherer → broker: these fragments, values and errors, are safe here.
struct Gathered {
    static constexpr std::uint8_t kind = 52;
    JobId job{};
    std::vector<Range> ranges{};
    std::uint64_t held_bytes = 0;  // of this job, not yet let go; past a window the broker dispatches no more of it
    std::uint32_t round = 0;       // as in Assign: what was safe in an earlier round may be wanted again
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.ranges, m.held_bytes, m.round); };
};

/// Gatherer → broker: the job's outcome by its policy, until Ended answers. Complete with every value in hand is final before that.
struct Propose {
    static constexpr std::uint8_t kind = 53;
    JobId job{};
    std::uint32_t assignment = 0;
    Outcome outcome = Outcome::complete;
    std::string reason{};
    bool every_value = false;  // complete with every value in hand: it wins over a cancel on its way
    bool lost = false;         // the gatherer lets go of the values that it has, for want of memory
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.assignment, m.outcome, m.reason, m.every_value, m.lost); };
};

/// Broker → gatherer: forget the job and its results. Client → broker: the same of an ended job. Answered by Forgotten, or Refused.
struct Forget {
    static constexpr std::uint8_t kind = 54;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Gatherer → broker, broker → client: nothing is known of the job here (any more).
struct Forgotten {
    static constexpr std::uint8_t kind = 55;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

// --- client ↔ gatherer (collect: DEALER ↔ ROUTER) -------------------------------------------------------------

/// Client → gatherer: stream the job's results to me, from `position` on. Sent again when nothing comes for a while.
/// Positions: in order, the next index wanted; as completed, the number of entries already had (a run or a failure is an entry).
struct Collect {
    static constexpr std::uint8_t kind = 60;
    std::uint16_t major = version_major;
    JobId job{};
    bool ordered = false;
    bool now = false;  // what is there at this moment, then Concluded with Outcome::running
    std::uint64_t position = 0;
    std::uint64_t credit = 0;  // body bytes that may be on their way, not acknowledged
    static constexpr auto fields = [](auto& m) { return std::tie(m.major, m.job, m.ordered, m.now, m.position, m.credit); };
};

/// Gatherer → client: a run of values; the body as in Results.
struct Values {
    static constexpr std::uint8_t kind = 61;
    JobId job{};
    std::uint64_t position = 0;  // the collector's position once it has this
    Index first = 0;
    std::uint32_t count = 0;
    RunMeta meta{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.position, m.first, m.count, m.meta); };
};

/// Gatherer → client: fragments that ended without a value; outputs in the body.
struct Failures {
    static constexpr std::uint8_t kind = 62;
    JobId job{};
    std::uint64_t position = 0;
    std::vector<Failure> failures{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.position, m.failures); };
};

/// Client → gatherer: everything up to this position is written where it belongs. Gives credit back.
struct Acknowledge {
    static constexpr std::uint8_t kind = 63;
    JobId job{};
    std::uint64_t position = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.position); };
};

/// Gatherer → client: that was all, and this is how the job ended.
struct Concluded {
    static constexpr std::uint8_t kind = 64;
    JobId job{};
    Outcome outcome = Outcome::running;
    std::string reason{};
    std::optional<std::uint64_t> total{};
    std::uint64_t values = 0;
    std::uint64_t failures = 0;
    std::uint64_t late = 0;          // results that came after the end, counted and dropped
    std::vector<Missing> missing{};  // every fragment without a value, by reason; empty when complete with all values
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.outcome, m.reason, m.total, m.values, m.failures, m.late, m.missing);
    };
};

// clang-format off
using Message = std::variant<Hello, Welcome, Refused, Heartbeat, Bye,                                              // any
                             Block, Seal, Accepted, Sealed, Cancel, Watch, Located, Notice, Ended, Query, Report,  // client ↔ broker
                             Find, Found, Retry, Retried, Adjust, Adjusted,                                        //
                             Dispatch, Done, Release, Drop, SendAgain, Results,                                    // worker
                             Assign, Errors, Gathered, Propose, Forget, Forgotten,                                 // gatherer ↔ broker
                             Collect, Values, Failures, Acknowledge, Concluded>;                                   // client ↔ gatherer
// clang-format on

/// The message's name, for logs.
const char* name_of(const Message& message);

}  // namespace fanfold::wire
