// What messages are made of: the enums, and the structs that messages carry. Those with `fields`
// travel as MessagePack arrays and follow the rule of versions in messages.hpp, as do the values of
// the enums.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/range_set.hpp"
#include "shared/wire/bounds.hpp"

namespace fanfold::wire {

inline constexpr std::uint16_t version_major = 1;
inline constexpr std::uint16_t version_minor = 10;
// Peers of earlier ones know none.
inline constexpr std::uint16_t minor_of_marks = 7, minor_of_relays = 8, minor_of_holds = 9,
                               minor_of_moves = 10;

/// The function that runs the command lines that come with a job. A worker offers it if its
/// operator said so.
inline constexpr std::string_view command_function = "fanfold.exec";

using Milliseconds = std::chrono::duration<std::int64_t, std::milli>;
using Microseconds = std::chrono::duration<std::int64_t, std::micro>;

enum class Role : std::uint8_t { client = 1, worker = 2, gatherer = 3 };

/// How a fragment ended without a value.
enum class FailureKind : std::uint8_t {
    failed = 1,     // the function said so: an exception, an exit code
    timeout = 2,    // the attempt took longer than the job allows
    crashed = 3,    // it killed its workers
    cancelled = 4,  // the job ended first
};

/// How a job ended: exactly one, once.
enum class Outcome : std::uint8_t {
    running = 0,    // not ended yet
    complete = 1,   // its policy is met, tolerated failures included
    partial = 2,    // all was asked for, every fragment ended, some failed
    expired = 3,    // the deadline came first
    failed = 4,     // the policy can no longer be met, or the system lost what it needs; the reason
                    // says which
    cancelled = 5,  // somebody cancelled it
};

enum class GatherPolicy : std::uint8_t { all = 1, quorum = 2, first = 3, available = 4 };

enum class RefusalCode : std::uint8_t {
    version = 1,           // another major version
    malformed = 2,         // bytes that are no message, or make no sense here
    unknown_job = 3,       // never heard of, or forgotten
    too_large = 4,         // past a limit that the welcome named
    not_allowed = 5,       // what the roles of its key do not hold
    no_gatherer = 6,       // no gatherer is connected to the broker
    conflict = 7,          // the job exists with other contents
    no_function = 8,       // no worker offers it, and none can come
    overloaded = 9,        // a limit is reached; try again later
    unknown_session = 10,  // the broker does not know this connection: say Hello
};

/// What a query asks about.
enum class Topic : std::uint8_t { jobs = 1, workers = 2, gatherers = 3 };

// The largest value of each enum; one that may be 0 has a first_of, too (fields.hpp).
constexpr unsigned last_of(Role) { return 3; }
constexpr unsigned last_of(FailureKind) { return 4; }
constexpr unsigned first_of(Outcome) { return 0; }
constexpr unsigned last_of(Outcome) { return 5; }
constexpr unsigned last_of(GatherPolicy) { return 4; }
constexpr unsigned last_of(RefusalCode) { return 10; }
constexpr unsigned last_of(Topic) { return 3; }

const char* to_string(FailureKind kind);
const char* to_string(Outcome outcome);
const char* to_string(Role role);

/// Where a gatherer is reached: several endpoints for one socket, a peer takes the first that it
/// can use.
struct GathererRef {
    std::string name{};
    Epoch epoch{};
    std::vector<std::string> results{};  // its PULL socket
    std::vector<std::string> collect{};  // its ROUTER socket
    std::string public_key{};  // CURVE, in Z85, as it has proved to the broker; empty: its sockets
                               // are plain
    std::uint16_t minor = 0;   // the version that it speaks
    bool has_store() const { return epoch.number > 0; }
    auto operator<=>(const GathererRef&) const = default;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.name, m.epoch, m.results, m.collect, m.public_key, m.minor);
    };
    static constexpr Bound bounds[] = {at_most("name", limits::name_bytes),
                                       texts("results", limits::endpoints, limits::endpoint_bytes),
                                       texts("collect", limits::endpoints, limits::endpoint_bytes),
                                       at_most("public_key", limits::public_key_bytes)};
};

/// A job's part of the fleet, among other jobs.
struct JobShare {
    std::int32_t priority = 0;  // jobs of a higher one are served first
    double weight =
        1;  // among jobs of one priority, time of slots is given in proportion to it; above 0
    std::uint32_t max_running = 0;  // fragments at workers at one time; 0: no limit
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.priority, m.weight, m.max_running);
    };
};

/// So much of something that a worker has, or that a fragment takes while it runs: memory in bytes,
/// licences, devices.
struct Resource {
    std::string name{};
    std::uint64_t amount = 0;
    auto operator<=>(const Resource&) const = default;
    static constexpr auto fields = [](auto& m) { return std::tie(m.name, m.amount); };
    static constexpr Bound bounds[] = {at_most("name", limits::label_bytes)};
};

/// Whether a fragment that runs far longer than others is started a second time, elsewhere.
enum class Hedging : std::uint8_t {
    by_function = 1,  // if the workers that offer the function say that it is idempotent
    never = 2,
    automatic = 3,  // past a time that the broker takes from the function's other fragments
    after = 4,      // past JobSpec::hedge_after
};
constexpr unsigned last_of(Hedging) { return 4; }

/// An attempt of a fragment whose handler has opened a job.
struct OuterAttempt {
    JobId job{};
    Index index = 0;
    std::uint32_t attempt = 1;
    auto operator<=>(const OuterAttempt&) const = default;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.index, m.attempt); };
};
/// When a fragment is given to another worker, while its own is gone and nobody knows whether it
/// lives.
enum class Rerun : std::uint8_t {
    automatic = 1,  // what takes long, once the worker was silent for the broker's worker timeout
    after = 2,      // once it was silent for JobSpec::rerun_after
    never = 3,      // once it is known to have ended
};
constexpr unsigned last_of(Rerun) { return 3; }

/// All that the system must know of a job. Made by the client, carried by its first block.
struct JobSpec {
    std::string function{};  // the function that its fragments are for
    std::string title{};     // for people: the command as it was typed, or the function's name
    GatherPolicy policy = GatherPolicy::all;
    std::uint64_t quorum = 0;        // with GatherPolicy::quorum: so many values
    std::uint64_t max_failures = 0;  // tolerated failures, when tolerance is set
    double max_failures_percent =
        0;  // the same as a share of the total, 0 to 100; known once sealed
    bool tolerance =
        false;  // false: failures are not limited, the job ends `partial` when some failed
    Milliseconds deadline{0};   // remaining time of the job, from acceptance; 0: none
    Milliseconds timeout{0};    // of each attempt; 0: none
    std::uint32_t retries = 0;  // further attempts after a failure
    bool attached =
        false;  // leased to its client: cancelled when the client is gone past the lease,
                // and results are dropped once the collector has acknowledged them
    Milliseconds lease{0};  // with attached
    bool ordered = false;   // it is collected in order of the index
    PeerId owner{};         // the control routing id of the client that opened it
    std::string cwd{};      // for commands: working folder; empty: the worker's own
    std::vector<std::string> environment{};  // for commands: NAME=VALUE
    std::uint64_t max_output = 0;      // for commands: bytes of each stream; 0: the worker's limit
    std::string preferred_gatherer{};  // by name; the broker may choose another
    std::string key{};  // of the user's choice: the same key finds the same job; empty: none
    JobShare share{};
    Hedging hedging = Hedging::by_function;
    Milliseconds hedge_after{0};
    std::vector<std::string> require{};  // labels that a worker must have
    std::vector<Resource> resources{};   // that each running fragment takes of its worker's
    bool compress = false;               // bodies over TCP, where it makes them smaller
    // Of an inner job: the attempt whose handler has opened it comes last, before it the one that
    // has opened that attempt's job, and so on.
    std::vector<OuterAttempt> outer{};
    Rerun rerun = Rerun::automatic;
    Milliseconds rerun_after{0};
    std::string cwd_identity{};  // of the folder `cwd` as its submitter has it: elsewhere commands
                                 // get a fresh one; empty: `cwd` it is, or a failure
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.function, m.title, m.policy, m.quorum, m.max_failures,
                        m.max_failures_percent, m.tolerance, m.deadline, m.timeout, m.retries,
                        m.attached, m.lease, m.ordered, m.owner, m.cwd, m.environment, m.max_output,
                        m.preferred_gatherer, m.key, m.share, m.hedging, m.hedge_after, m.require,
                        m.resources, m.compress, m.outer, m.rerun, m.rerun_after, m.cwd_identity);
    };
    static constexpr Bound bounds[] = {at_most("function", limits::name_bytes),
                                       at_most("title", limits::names_bytes),
                                       at_most("owner", limits::routing_id_bytes),
                                       at_most("cwd", limits::names_bytes),
                                       texts("environment", limits::named, limits::names_bytes),
                                       at_most("preferred_gatherer", limits::name_bytes),
                                       at_most("key", limits::key_bytes),
                                       texts("require", limits::named, limits::label_bytes),
                                       list("resources", limits::named),
                                       list("outer", limits::nesting_depth),
                                       at_most("cwd_identity", limits::identity_bytes)};
};

/// Ranges of one job.
struct JobRanges {
    JobId job{};
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.ranges); };
    static constexpr Bound bounds[] = {list("ranges", limits::listed_ranges)};
};

/// One fragment that ended without a value. `output_bytes` of the message's body belong to it, in
/// the order of the list: nothing, or for a command the MessagePack array [stdout, stderr] (bin,
/// bin).
struct Failure {
    Index index = 0;
    std::uint32_t attempt = 1;
    FailureKind kind = FailureKind::failed;
    std::string message{};
    std::int32_t exit_code = -1;  // of a command that exited; else -1
    std::int32_t signal = 0;      // that ended a command; else 0
    Microseconds started{0};      // since 1970 by the worker's clock, for people only
    Microseconds elapsed{0};
    std::string worker{};  // its name
    std::uint64_t output_bytes = 0;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.index, m.attempt, m.kind, m.message, m.exit_code, m.signal, m.started,
                        m.elapsed, m.worker, m.output_bytes);
    };
    static constexpr Bound bounds[] = {cut_to("message", limits::text_bytes),
                                       at_most("worker", limits::name_bytes)};
};

/// Whose trouble it was that a fragment could not be run.
enum class TroubleKind : std::uint8_t {
    worker = 1,   // no folder, no space, no process, no guardian: it may well run elsewhere
    command = 2,  // this command can't be executed here; perhaps it can elsewhere
};
constexpr unsigned last_of(TroubleKind) { return 2; }

/// A fragment that a worker gives back since it can't run it.
struct Trouble {
    JobId job{};
    Index index = 0;
    TroubleKind kind = TroubleKind::worker;
    std::string reason{};
    std::int32_t exit_code = -1;  // of a command that exited; else -1
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.index, m.kind, m.reason, m.exit_code);
    };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes)};
};

/// Who made a run of values, and when.
struct RunMeta {
    std::string worker{};
    std::uint32_t attempt = 1;
    Microseconds started{0};  // since 1970 by the worker's clock, for people only
    Microseconds elapsed{0};  // of the whole run
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.worker, m.attempt, m.started, m.elapsed);
    };
    static constexpr Bound bounds[] = {at_most("worker", limits::name_bytes)};
};

/// Why fragments have no value, for those who read an outcome.
struct Missing {
    std::string reason{};  // failed, timeout, crashed, cancelled, "never started"
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.reason, m.ranges); };
    static constexpr Bound bounds[] = {at_most("reason", limits::name_bytes),
                                       list("ranges", limits::missing_ranges)};
};

// --- of a worker's messages

/// What a worker must know of a job to run its chunks.
struct JobBrief {
    JobSpec spec{};
    std::uint32_t assignment = 0;
    GathererRef gatherer{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.spec, m.assignment, m.gatherer);
    };
};

/// A run of one job that a worker finished well, how long its slot was busy with it, and the bytes
/// of its values.
struct DoneRun {
    JobId job{};
    Range range{};
    Microseconds busy{0};
    std::uint64_t bytes = 0;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.range, m.busy, m.bytes);
    };
};

/// Failures of one job.
struct JobFailures {
    JobId job{};
    std::vector<Failure> failures{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.failures); };
    static constexpr Bound bounds[] = {list("failures", limits::listed)};
};

// --- of who may do what

/// A public key that is let in, whose it is, and what it may do (access.hpp).
struct AllowedKey {
    std::string public_key{};  // CURVE, in Z85
    std::string user{};
    std::uint8_t roles = 0;  // bits
    auto operator<=>(const AllowedKey&) const = default;
    static constexpr auto fields = [](auto& m) { return std::tie(m.public_key, m.user, m.roles); };
    static constexpr Bound bounds[] = {at_most("public_key", limits::public_key_bytes),
                                       at_most("user", limits::name_bytes)};
};

// --- of a heartbeat, and of a report

struct JobInfo {
    JobId job{};
    std::string title{};
    std::string function{};
    Outcome outcome = Outcome::running;
    std::string reason{};
    std::optional<std::uint64_t> total{};
    std::uint64_t accepted = 0;
    std::uint64_t queued = 0;
    std::uint64_t running = 0;  // on loan to workers
    std::uint64_t values = 0;   // finished well
    std::uint64_t failed = 0;   // finished without a value, of any kind
    Milliseconds age{0};        // since it was opened
    Milliseconds took{0};       // from the opening to the end, once ended
    std::string gatherer{};
    std::string notice{};  // what it waits for, if it waits
    std::string key{};
    std::uint32_t round = 0;  // how often it was retried
    JobShare share{};
    std::uint64_t hedged = 0;  // second attempts that were started beside a first
    std::string user{};        // whose it is; empty without keys
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.title, m.function, m.outcome, m.reason, m.total, m.accepted,
                        m.queued, m.running, m.values, m.failed, m.age, m.took, m.gatherer,
                        m.notice, m.key, m.round, m.share, m.hedged, m.user);
    };
    static constexpr Bound bounds[] = {
        at_most("title", limits::names_bytes),  at_most("function", limits::name_bytes),
        cut_to("reason", limits::reason_bytes), at_most("gatherer", limits::name_bytes),
        cut_to("notice", limits::reason_bytes), at_most("key", limits::key_bytes),
        at_most("user", limits::name_bytes)};
};

/// A gatherer that a peer can't connect to.
struct Unreached {
    std::string gatherer{};
    std::string endpoint{};  // that it tries
    Milliseconds since{0};   // for how long
    auto operator<=>(const Unreached&) const = default;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.gatherer, m.endpoint, m.since);
    };
    static constexpr Bound bounds[] = {at_most("gatherer", limits::name_bytes),
                                       at_most("endpoint", limits::endpoint_bytes)};
};

}  // namespace fanfold::wire
