// Planted bugs: each breaks one rule that the system stands on, from outside of the cores, to show
// that the checker notices. Plain values.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "shared/store/store.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::simulation {

/// Which scenario is made of a seed.
enum class Plan : std::uint8_t { usual, restores, drains };

enum class Bug : std::uint8_t {
    none,
    result_not_pushed_again,   // a worker pushes each result once, whatever happens to it
    released_before_gathered,  // a worker lets go of a result as soon as it is done
    position_ignored,          // a collector takes whatever a gatherer streams, again and again
    seal_said_once,  // a client says once that its job is whole, and the broker is told of it in no
                     // other way
    error_told_once,     // a broker tells a final error once
    deadline_not_armed,  // a gatherer does not hear of deadlines
    time_not_looked_at,  // a gatherer works when messages come, and never by itself
    inventory_left_out,  // a worker's heartbeat does not say what it holds and keeps
    outcome_told_once,   // a broker answers a proposal once
    attempt_forgotten,   // a worker never tells the broker of a failure
    values_shifted,      // a worker mixes up two fragments of a chunk
    block_sent_once,     // a client sends each block once
    // of what is on disk
    accepted_too_early,    // a broker says things before they are committed
    shown_too_early,       // a gatherer does
    last_record_lost,      // a commit leaves out its last record
    group_torn,            // a death may leave a part of a commit
    blocks_erased_early,   // payloads are erased before it is committed that their results are safe
    results_not_restored,  // a gatherer that starts again does not know what it has
    deadline_not_restored,  // deadlines are forgotten at a restart
    held_not_adopted,       // a broker that starts again does not hear what its workers run
    // of disks that are put back
    jobs_not_told,        // a gatherer does not say which jobs it has
    loss_not_looked_for,  // a broker does not compare what gatherers have with what is safe
    // of jobs that go from one gatherer to another
    entries_not_handed,   // the other one does not get the results
    forgotten_too_early,  // the first one forgets the job before the other has it
};

struct BugInfo {
    Bug bug;
    const char* name;
    std::uint32_t seeds;  // it must be found within so many
    Plan plan = Plan::usual;
};
const std::vector<BugInfo>& planted_bugs();

/// Stands between the sockets of a run: drops or changes messages as its bug has it.
class Saboteur {
public:
    explicit Saboteur(Bug bug) : bug_(bug) {}
    Bug bug() const { return bug_; }
    /// Whether the message goes on its way. `life` tells the sender's life from others.
    bool lets_pass(std::uint64_t life, wire::Message& message);
    /// Whether a life reads this row, which the one before has left.
    bool restores(bool broker, Record& row) const;

private:
    bool seal_once(std::uint64_t life, wire::Message& message);
    bool error_once(std::uint64_t life, wire::Message& message);
    static bool without_inventory(wire::Message& message);
    static bool without_entry(wire::Message& message);
    static bool forgets_early(wire::Message& message);
    bool first_time(std::uint64_t life, const JobId& job, std::uint64_t what) {
        return seen_.emplace(life, job, what).second;
    }

    Bug bug_;
    std::set<std::tuple<std::uint64_t, JobId, std::uint64_t>> seen_;
};

}  // namespace fanfold::simulation
