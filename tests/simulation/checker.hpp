// What must be true of a run, whatever happened in it: collects what users saw and what workers
// ran, complains at once about what may never be, and judges the whole at the end. In the manner of
// Jepsen's total-queue: lost, doubled and unexpected must be empty. One thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/range_set.hpp"
#include "tests/simulation/promises.hpp"
#include "tests/simulation/scenario.hpp"

namespace fanfold::simulation {

/// One collecting, or only watching, of one job by one life of a client.
struct Collector {
    const JobPlan* plan = nullptr;
    std::string who;
    bool owner = false;
    bool collects = false;
    bool ordered = false;
    Time since{};
    RangeSet values;
    std::map<Index, wire::FailureKind> failures;
    std::optional<Index> last;  // the index delivered last
    std::optional<wire::Concluded> concluded;
    std::optional<std::string> refused;
    Time finished_at{};
    Time consumed_at{};  // when its user last dealt with something
    bool died = false;   // with its client
    bool finished() const { return concluded || refused || died; }
};

/// What happened to processes and connections, as far as it excuses something.
struct Disturbances {
    bool any = false;          // anything that can make a worker run a fragment again
    bool workers = false;      // the same, the death of a server with a disk aside
    Duration clocks_jumped{};  // wall clocks, in sum: deadlines are as much earlier or later
    std::map<std::uint32_t, bool> client_died;
    std::map<std::uint32_t, bool> client_cut_off;  // for longer than a client waits
};

class Checker {
public:
    explicit Checker(const Scenario& scenario);

    Collector& begin(const JobPlan& plan, std::string who, Time now);
    void delivered(Collector& collector, Index first, std::uint32_t count, std::string_view body);
    void failed(Collector& collector, const wire::Failure& failure);
    void concluded(Collector& collector, const wire::Concluded& end, Time now);
    void refused(Collector& collector, const std::string& text, Time now);
    void opened(const JobPlan& plan, Time now);
    void executed(const JobPlan& plan, Index index, bool alone);
    /// The owner was told that all of the job is accepted.
    void sealed(const JobPlan& plan);
    /// A broker or gatherer with a disk says this to somebody: no later life of it may say
    /// otherwise.
    void promised(const wire::Message& message);
    /// A worker that may be running the fragment is disturbed in a way that the broker can take for
    /// its death.
    void endangered(const JobId& job, Index index);
    void complain(const std::string& what);

    /// After the drain.
    void judge(const Disturbances& disturbances);
    const std::vector<std::string>& complaints() const { return complaints_; }
    const JobPlan* plan_of(const JobId& job) const;
    bool all_finished() const;
    std::string unfinished() const;
    std::uint64_t executions() const { return executions_; }
    std::uint64_t delivered_fragments() const { return delivered_; }
    /// From opening to the last word, of each collector that heard one, in the order of their
    /// beginning.
    std::vector<Duration> job_times() const;

private:
    struct Record {
        const JobPlan* plan = nullptr;
        std::optional<Time> opened;
        std::map<Index, std::uint32_t> executions;
        std::map<Index, std::uint32_t> dangers;
        std::map<Index, std::uint32_t> lone_executions;
        bool sealed = false;
        bool refused = false;  // to its owner, by a broker that could accept nothing
    };
    void see(Collector& collector, Index index);
    void judge_ended(const Collector& collector, const Disturbances& disturbances);
    void judge_numbers(const Collector& collector);
    void judge_outcome(const Collector& collector, const Disturbances& disturbances);
    void judge_failed(const Collector& collector, std::uint64_t values, std::uint64_t failures,
                      const Disturbances& disturbances);
    void judge_agreement();
    void judge_executions(const Disturbances& disturbances);
    void complain(const Collector& collector, const std::string& what);
    bool excused(const Collector& collector, const Disturbances& disturbances) const;
    void judge_kills(const Record& record, const Collector& collector);

    const Scenario& scenario_;
    std::vector<std::string> complaints_;
    std::vector<std::unique_ptr<Collector>> collectors_;
    std::map<JobId, Record> records_;
    Promises promises_;
    std::uint64_t executions_ = 0;
    std::uint64_t delivered_ = 0;
};

}  // namespace fanfold::simulation
