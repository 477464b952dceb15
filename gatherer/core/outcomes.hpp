// How jobs end: their policy is asked, the outcome is proposed to the broker until it answers, and
// what is final is told to collectors. Owns the jobs' timers. Owned by the gatherer's core, on its
// thread.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gatherer/core/collecting.hpp"
#include "gatherer/core/timers.hpp"

namespace fanfold::gatherer {

class Outcomes {
public:
    struct Parts {
        Collecting& collecting;
        Memory& memory;
        Confirmations& confirmations;
        BrokerLink& broker;
        Persistence& persistence;
        Duration keep;  // of jobs that no broker knows any more
    };
    explicit Outcomes(Parts parts) : parts_(parts) {}

    /// A round of the job begins, or began at Round::opened in an earlier life.
    void start_deadline(const Step& step, const Job& job);
    /// Proposes or concludes a job that gathers, if its policy calls for it.
    void settle(Step& step, Job& job, bool deadline_reached = false);
    /// A job that gathers can't keep its values: it fails, and lets go of them when the broker has
    /// answered.
    void propose_lost(Step& step, Job& job, std::string reason);
    /// Repeated until the broker answers.
    void propose(Step& step, const Job& job);
    void propose_once(Step& step, const Job& job);
    /// The broker has answered, or has ended the job by itself.
    void on_ended(Step& step, Job& job, const wire::Ended& ended);
    /// The broker that knew the job lost its memory.
    void orphan(Step& step, Job& job);
    /// An earlier life was told so at that moment.
    void start_expiry(const Job& job, Time orphaned);
    void forget(const Job& job) { timers_.disarm_all(job.id); }

    std::optional<std::pair<TimerKind, JobId>> take_due(Time now) { return timers_.take_due(now); }
    std::optional<Time> next() const { return timers_.next(); }

private:
    void conclude(Step& step, Job& job, Verdict verdict,
                  const std::vector<wire::Missing>& from_broker);
    void abandon(Step& step, Job& job);

    Parts parts_;
    Timers timers_;
};

}  // namespace fanfold::gatherer
