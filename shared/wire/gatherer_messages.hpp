// The messages of gatherers and the broker, on control. Ended, which both hear, is a client's; what
// else there is: messages.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/range_set.hpp"
#include "shared/wire/client_messages.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

/// Broker → gatherer: the job is yours. Sent again, with the same assignment, when the total
/// becomes known.
struct Assign {
    static constexpr std::uint8_t kind = 50;
    JobId job{};
    std::uint32_t assignment = 0;
    JobSpec spec{};  // its deadline is what remains at sending
    std::optional<std::uint64_t> total{};
    std::uint32_t round = 0;  // raised by each retry: the job gathers again, its failures are let
                              // go of, its values stay
    std::string user{};       // whose job it is: the only one who may collect it, but for
                              // administrators; empty without keys
    bool again = false;       // it had the job in an earlier life, or over an earlier connection
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.spec, m.total, m.round, m.user, m.again);
    };
    static constexpr Bound bounds[] = {at_most("user", limits::name_bytes)};
};

/// Broker → gatherer: these errors are final. Outputs in the body. Confirmed like results, by
/// Gathered.
struct Errors {
    static constexpr std::uint8_t kind = 51;
    JobId job{};
    std::vector<Failure> failures{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.failures); };
    static constexpr Bound bounds[] = {list("failures", limits::listed)};
};

/// Gatherer → broker: these fragments, values and errors, are safe here.
struct Gathered {
    static constexpr std::uint8_t kind = 52;
    JobId job{};
    std::vector<Range> ranges{};
    std::uint64_t held_bytes =
        0;  // of this job, not yet let go; past a window the broker dispatches no more of it
    std::uint32_t round = 0;  // as in Assign: what was safe in an earlier round may be wanted again
    std::vector<Range> failed{};  // those of them that are failures
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.ranges, m.held_bytes, m.round, m.failed);
    };
    static constexpr Bound bounds[] = {list("ranges", limits::listed_ranges),
                                       list("failed", limits::missing_ranges)};
};

/// Gatherer → broker: the job's outcome by its policy, until Ended answers. Complete with every
/// value in hand is final before that.
struct Propose {
    static constexpr std::uint8_t kind = 53;
    JobId job{};
    std::uint32_t assignment = 0;
    Outcome outcome = Outcome::complete;
    std::string reason{};
    bool every_value =
        false;          // complete with every value in hand: it wins over a cancel on its way
    bool lost = false;  // the gatherer lets go of the values that it has, for want of memory
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.outcome, m.reason, m.every_value, m.lost);
    };
    static constexpr Bound bounds[] = {cut_to("reason", limits::reason_bytes)};
};

/// Broker → gatherer: forget the job and its results. Client → broker: the same of an ended job.
/// Answered by Forgotten, or Refused.
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

/// Broker → gatherer: all the keys that are let in from now on. Said after each Welcome, and
/// whenever they change.
struct AllowedKeys {
    static constexpr std::uint8_t kind = 56;
    std::vector<AllowedKey> keys{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.keys); };
    static constexpr Bound bounds[] = {list("keys", limits::allowed_keys)};
};

/// What a gatherer has of one job.
struct HeldJob {
    JobId job{};
    std::uint32_t assignment = 0;
    std::uint32_t round = 0;
    std::uint64_t values = 0;
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.assignment, m.round, m.values);
    };
};

/// Gatherer → broker, after each Welcome and before all else that it says: the jobs that it has, in
/// as many of these as it takes.
struct Holds {
    static constexpr std::uint8_t kind = 57;
    std::vector<HeldJob> jobs{};
    bool last = false;
    static constexpr auto fields = [](auto& m) { return std::tie(m.jobs, m.last); };
    static constexpr Bound bounds[] = {list("jobs", limits::held_jobs)};
};

/// Broker → gatherer: it knows nothing of these jobs. Answered by Described, or Forgotten.
struct Describe {
    static constexpr std::uint8_t kind = 58;
    std::vector<JobId> jobs{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.jobs); };
    static constexpr Bound bounds[] = {list("jobs", limits::held_jobs)};
};

/// Gatherer → broker: what it was told of the job, how far it has come, and how it ended (outcome
/// `running`: it has not). Gathered and Propose follow, as after a Welcome.
struct Described {
    static constexpr std::uint8_t kind = 59;
    Assign assign{};
    Index next = 0;  // the first fragment behind all those that it has
    Ended end{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.assign, m.next, m.end); };
};

// --- jobs that go from one gatherer to another

/// Client → broker → gatherer: it is to be given no new jobs, and those that it has go to others;
/// or, `off`, no longer. It says so in its heartbeats (`leaving`) until it ends. A client is
/// answered by Drained.
struct Drain {
    static constexpr std::uint8_t kind = 65;
    std::uint64_t number = 0;  // of a client: comes back in the answer
    std::string gatherer{};    // its name
    bool off = false;
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.gatherer, m.off); };
    static constexpr Bound bounds[] = {at_most("gatherer", limits::name_bytes)};
};

/// Broker → client: the gatherer was told.
struct Drained {
    static constexpr std::uint8_t kind = 66;
    std::uint64_t number = 0;
    std::string refused{};  // why it was not told; empty: it was
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.refused); };
    static constexpr Bound bounds[] = {cut_to("refused", limits::reason_bytes)};
};

/// Broker → gatherer: hand the job over, by HandedRow; or, `stop`, keep it. Until then, or until
/// Forget, nothing of it changes there.
struct HandOver {
    static constexpr std::uint8_t kind = 67;
    JobId job{};
    std::uint64_t number = 0;  // of this handing over: raised with each
    bool stop = false;
    static constexpr auto fields = [](auto& m) { return std::tie(m.job, m.number, m.stop); };
};

/// Gatherer → broker → gatherer: a row of what the first one keeps of the job, as it keeps it; its
/// body too. The first has number 1.
struct HandedRow {
    static constexpr std::uint8_t kind = 68;
    JobId job{};
    std::uint64_t handing = 0;  // HandOver::number
    std::uint64_t number = 0;   // counts the rows of one handing over
    std::uint8_t form = 0;      // of its rows: another gatherer may know it, or refuse it
    std::uint8_t row = 0;       // which row it is: its kind,
    std::uint64_t place = 0;    // and its number
    std::string data{};
    bool last = false;    // it was all; this one is no row,
    Milliseconds age{0};  // but says how long ago the job was opened, or retried
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.handing, m.number, m.form, m.row, m.place, m.data, m.last, m.age);
    };
    static constexpr Bound bounds[] = {at_most("data", limits::handed_row_bytes)};
};

/// Gatherer → broker → gatherer: the rows up to this number are kept.
struct RowTaken {
    static constexpr std::uint8_t kind = 69;
    JobId job{};
    std::uint64_t handing = 0;
    std::uint64_t number = 0;
    std::string refused{};  // why the job can't be taken, or handed over; empty: it can
    bool unknown = false;   // the gatherer that is to hand it over does not have it
    static constexpr auto fields = [](auto& m) {
        return std::tie(m.job, m.handing, m.number, m.refused, m.unknown);
    };
    static constexpr Bound bounds[] = {cut_to("refused", limits::reason_bytes)};
};

}  // namespace fanfold::wire
