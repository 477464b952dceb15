// The messages between a client and the broker, and a client and a gatherer; a part of
// messages.hpp, which has the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/range_set.hpp"
#include "shared/wire/report_types.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

// --- client → broker

/// A run of consecutive fragments (PUSH → PULL). The body holds `count` MessagePack objects back to
/// back. `cuts` holds the byte offset of fragments stride, 2·stride, … (32-bit little-endian), so
/// that it can be sliced without decoding all of it. The first block (first = 0) of a job carries
/// the spec. The last may carry the total, which seals the job. A block that was already taken is
/// ignored; one that leaves a gap is answered with Accepted, and sent again from there. Of a job
/// with a key, each block has the digest (XXH3, 128 bits, big-endian) of all payloads of the job up
/// to its end.
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
        return std::tie(m.job, m.token, m.first, m.count, m.stride, m.cuts, m.spec, m.total,
                        m.digest);
    };
    static constexpr Bound bounds[] = {at_most("cuts", limits::cuts_bytes),
                                       exactly("digest", limits::digest_bytes)};
};

/// Client → broker (control): the job has exactly `total` fragments. Sent again until Sealed.
struct Seal {
    static constexpr std::uint8_t kind = 11;
    JobId job{};
    std::uint64_t token = 0;
    std::uint64_t total = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.token, m.total); };
};

/// Broker → client: the fragments before `next` are accepted; the job's body bytes may be sent up
/// to `limit` (both cumulative).
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
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes)};
};

/// Client → broker: tell me where the job is gathered, and when it has ended. Answered by Located,
/// later Ended; or Refused.
struct Watch {
    static constexpr std::uint8_t kind = 15;
    JobId job{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job); };
};

/// Broker → owner, watchers: who gathers the job. Said again when that changes; a collector then
/// starts over with the new gatherer.
struct Located {
    static constexpr std::uint8_t kind = 16;
    JobId job{};
    std::uint32_t assignment = 0;  // raised each time the job is given to a gatherer
    GathererRef gatherer{};
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.gatherer);
    };
};

/// Broker → owner: something that a person should know about a job that goes on, such as that no
/// worker offers its function.
struct Notice {
    static constexpr std::uint8_t kind = 17;
    JobId job{};
    std::string text{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.text); };
    static constexpr Bound bounds[] = {cut_to("text", limits::reason_bytes)};
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
    std::vector<Missing> missing{};  // why fragments have no value: the broker's part, "cancelled"
                                     // and "never started"
    bool lost = false;               // values that were safe are gone: the job can't be retried
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.outcome, m.reason, m.total, m.values, m.missing,
                        m.lost);
    };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes),
                                       list("missing", limits::missing_reasons)};
};

/// Client → broker: what is there? Answered by Report.
struct Query {
    static constexpr std::uint8_t kind = 19;
    std::uint64_t number = 0;  // comes back in the report
    Topic topic = Topic::jobs;
    std::string selector{};  // jobs: empty for all; `last`; a beginning or an end of an id.
                             // Workers: only those whose names come behind it
    JobId after{};           // jobs: only those whose ids come behind this one
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.number, m.topic, m.selector, m.after);
    };
    static constexpr Bound bounds[] = {at_most("selector", limits::name_bytes)};
};

struct Report {
    static constexpr std::uint8_t kind = 20;
    std::uint64_t number = 0;
    std::vector<JobInfo> jobs{};        // newest last
    std::vector<WorkerInfo> workers{};  // by name
    std::vector<GathererRef> gatherers{};
    bool more = false;  // there are other jobs, or workers, behind these; ask for them
    std::vector<GathererInfo> states{};  // of the gatherers, in their order
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.number, m.jobs, m.workers, m.gatherers, m.more, m.states);
    };
    static constexpr Bound bounds[] = {
        list("jobs", limits::listed), list("workers", limits::listed),
        list("gatherers", limits::gatherers), list("states", limits::gatherers)};
};

/// Client → broker: which job has this key? Answered by Found. Unsealed and its client gone, it is
/// the asker's, under this token.
struct Find {
    static constexpr std::uint8_t kind = 21;
    std::uint64_t number = 0;  // comes back in the answer
    std::string key{};
    std::uint64_t token = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.key, m.token); };
    static constexpr Bound bounds[] = {at_most("key", limits::key_bytes)};
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
        return std::tie(m.number, m.job, m.busy, m.spec, m.next, m.bytes, m.limit, m.digest,
                        m.total, m.outcome);
    };
    static constexpr Bound bounds[] = {exactly("digest", limits::digest_bytes)};
};

/// Client → broker: run again what has no value in an ended job that is not attached. Answered by
/// Retried or Refused.
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
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.priority, m.weight, m.max_running);
    };
};

/// Broker → client: the job's share from now on.
struct Adjusted {
    static constexpr std::uint8_t kind = 26;
    JobId job{};
    JobShare share{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.share); };
};

/// Client → broker: fragments of a job that runs are not wanted any more. Those that are accepted
/// and have no value end as failures of the kind `cancelled`. A message of its own, so that a
/// broker that does not know it can't take it for a Cancel. Answered by FragmentsCancelled or
/// Refused.
struct CancelFragments {
    static constexpr std::uint8_t kind = 27;
    JobId job{};
    std::string reason{};
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.reason, m.ranges); };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes),
                                       list("ranges", limits::listed_ranges)};
};

/// Broker → client: so many of those fragments have ended without a value.
struct FragmentsCancelled {
    static constexpr std::uint8_t kind = 28;
    JobId job{};
    std::uint64_t fragments = 0;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.fragments); };
};

// --- client ↔ gatherer (collect: DEALER ↔ ROUTER)

/// Client → gatherer: stream the job's results to me, from `position` on. Sent again when nothing
/// comes for a while. Positions: in order, the next index wanted; as completed, the number of
/// entries already had (a run or a failure is an entry).
struct Collect {
    static constexpr std::uint8_t kind = 60;
    std::uint16_t major = version_major;
    JobId job{};
    bool ordered = false;
    bool now = false;  // what is there at this moment, then Concluded with Outcome::running
    std::uint64_t position = 0;
    std::uint64_t credit = 0;  // body bytes that may be on their way, not acknowledged
    std::uint16_t minor = 0;   // of the version that the client speaks
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.major, m.job, m.ordered, m.now, m.position, m.credit, m.minor);
    };
};

/// Gatherer → client: a run of values; the body as in Results.
struct Values {
    static constexpr std::uint8_t kind = 61;
    JobId job{};
    std::uint64_t position = 0;  // the collector's position once it has this
    Index first = 0;
    std::uint32_t count = 0;
    RunMeta meta{};
    std::optional<std::uint64_t> after{};  // the position that this follows
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.position, m.first, m.count, m.meta, m.after);
    };
};

/// Gatherer → client: fragments that ended without a value; outputs in the body.
struct Failures {
    static constexpr std::uint8_t kind = 62;
    JobId job{};
    std::uint64_t position = 0;
    std::vector<Failure> failures{};
    std::optional<std::uint64_t> after{};  // as in Values
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.position, m.failures, m.after);
    };
    static constexpr Bound bounds[] = {list("failures", limits::listed)};
};

/// Client → gatherer: everything up to this position is written where it belongs. Gives credit
/// back.
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
    std::vector<Missing> missing{};  // every fragment without a value, by reason; empty when
                                     // complete with all values
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.outcome, m.reason, m.total, m.values, m.failures, m.late,
                        m.missing);
    };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes),
                                       list("missing", limits::missing_reasons)};
};

}  // namespace fanfold::wire
