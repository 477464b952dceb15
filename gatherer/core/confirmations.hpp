// Tells the broker which fragments are safe here, in batches. Owned by the gatherer's core, on its
// thread.
//
// Invariants (checked by check_invariants()):
// - what is unconfirmed is received, and its job is in the set of those with something unconfirmed;
// - a time to flush is set only while there is something unconfirmed.
#pragma once

#include <optional>
#include <set>

#include "gatherer/core/broker_link.hpp"
#include "gatherer/core/job.hpp"

namespace fanfold::gatherer {

class Confirmations {
public:
    explicit Confirmations(BrokerLink& broker) : broker_(broker) {}

    /// What is received of the range is safe; a batch that is full is sent.
    void add(Step& step, Job& job, Range range);
    /// All that is received is sent again, at once.
    void repeat(Step& step, Job& job);
    /// Sends what is unconfirmed, and how much the job holds.
    void flush(Step& step, Job& job);
    void flush_unless_empty(Step& step, Job& job);
    /// The job holds little enough to be dispatched again, and the broker has heard otherwise.
    void flush_if_relieved(Step& step, Job& job);
    /// What is past the total was never received.
    void cut(Job& job, std::uint64_t total);
    void drop(Job& job);

    void on_time(Step& step, const JobTable& jobs);
    std::optional<Time> next() const { return flush_at_; }
    void check_invariants(const JobTable& jobs) const;

private:
    BrokerLink& broker_;
    std::set<JobId> waiting_;  // jobs with something unconfirmed
    std::optional<Time> flush_at_;
};

}  // namespace fanfold::gatherer
