// The values that the worker has made: pushes each to its job's gatherer, and keeps it until the
// broker releases it. Owned by the core, on its thread.
//
// Invariant: the counts are the sums over all jobs.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "worker/core/briefs.hpp"
#include "worker/core/kept_results.hpp"
#include "worker/core/step.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

class Results {
public:
    /// Pushes a run of values, and keeps it. None of its indices may be kept already.
    void add(Step& step, const JobId& job, KeptRun run, const wire::GathererRef& gatherer);
    void release(Step& step, const JobId& job, Range range);
    /// The broker asks for the ranges, for this gatherer.
    void send_again(Step& step, const wire::SendAgain& message);
    /// Asks, by a Mark, what has come of the results that nobody has confirmed for long; pushes
    /// them again where the gatherer knows no Mark. Looks no more often than limits::resend_check.
    void ask_of_overdue(Step& step, const Briefs& briefs);
    /// What came before the Mark is released by now: the rest is lost, and pushed again.
    void on_marked(Step& step, const wire::Marked& marked, const Briefs& briefs);
    Time next_check() const { return bytes_ > 0 ? next_check_ : Time::max(); }

    bool keeps(const JobId& job) const { return jobs_.contains(job); }
    /// Of a job; empty when nothing of it is kept.
    const RangeSet& indices(const JobId& job) const;
    /// By job, those of which something is kept.
    const std::map<JobId, KeptResults>& jobs() const { return jobs_; }
    std::uint64_t bytes() const { return bytes_; }
    bool empty() const { return jobs_.empty(); }
    /// There is room for no more until something is released.
    bool full() const {
        return bytes_ >= limits::worker_kept_bytes || ranges_ >= limits::inventory_ranges;
    }
    void check_invariants() const;

private:
    void count(const KeptResults& kept, bool add);
    static void push_again(Step& step, const JobId& job, KeptResults& kept,
                           const std::vector<Range>& ranges, const Briefs& briefs);

    std::map<JobId, KeptResults> jobs_;  // none of them empty
    std::uint64_t bytes_ = 0;
    std::uint64_t ranges_ = 0;
    Time next_check_{};
    std::uint64_t marks_ = 0;
};

}  // namespace fanfold::worker
