// Inner jobs: those that the handler of another job's fragment has opened (JobSpec::outer). One
// that is attached ends with the attempt whose handler has opened it. While its handler waits, the
// thread can run fragments of it: so the worker that has the attempt on loan takes a chunk of it at
// any time, and there always is somebody who can go on, though all slots be taken by handlers that
// wait. Owned by the dispatcher, on the core's thread.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class InnerJobs {
public:
    InnerJobs(Jobs& jobs, Sessions& sessions) : jobs_(jobs), sessions_(sessions) {}

    /// A job begins to run, and ends.
    void enter(const Job& job);
    void exit(const Job& job);
    /// Loans of the job have changed.
    void touch(const JobId& outer);
    /// Time has passed, in which workers may have said what they hold.
    void touch_all();
    /// Those whose attempt is over.
    std::vector<JobId> take_orphans(Time now);

    /// The job has something to lend.
    void want(const Job& job) { wanting_.insert(job.id); }
    std::vector<JobId> take_wanting();
    /// The worker whose handler waits for the job, or for one that this is part of, and that may
    /// run it too; nullptr when there is none, or it has some of the job on such a thread already.
    const PeerId* host_of(const Job& job) const;

private:
    const Loan* loan_of(const wire::OuterAttempt& outer) const;
    bool is_orphan(Time now, const Job& job) const;

    Jobs& jobs_;
    Sessions& sessions_;
    std::map<JobId, std::set<JobId>> inner_;  // of running jobs, by the job of the attempt
    std::set<JobId> touched_;                 // keys of inner_
    std::set<JobId> wanting_;
};

}  // namespace fanfold::broker
