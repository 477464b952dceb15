// The clients that collect jobs: let in, streamed to, acknowledged, told the end, dropped. Owned by
// the gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - a collector that waits for the job's end is told of it only when it has come;
// - a collector that was told the end stays only until it has acknowledged everything.
#pragma once

#include <optional>
#include <string>

#include "gatherer/core/admission.hpp"
#include "gatherer/core/confirmations.hpp"
#include "gatherer/core/early.hpp"
#include "gatherer/core/memory.hpp"

namespace fanfold::gatherer {

class Collecting {
public:
    struct Parts {
        Admission& admission;
        Early& early;
        Memory& memory;
        Confirmations& confirmations;
        BrokerLink& broker;
        Persistence& persistence;
    };
    /// `name` is the gatherer's, for what collectors are told.
    Collecting(std::string name, Parts parts) : name_(std::move(name)), parts_(parts) {}

    /// `job` is the one that is asked for, null when nobody has assigned it.
    void collect(Step& step, Job* job, EarlyCollect asked);
    void attach(Step& step, Job& job, const EarlyCollect& asked);
    struct Acknowledged {
        const PeerId& peer;
        const Sender& sender;
        std::uint64_t position = 0;
    };
    void acknowledge(Step& step, Job& job, const Acknowledged& acknowledged);

    /// The collector hears how far it was sent the job, behind that.
    void on_mark(Step& step, Job* job, const PeerId& peer, const Sender& sender,
                 const wire::Mark& mark);

    /// Sends each collector of the job what its credit allows.
    void pump(Step& step, Job& job);
    /// The job gathers again: those that have had something of the round before begin anew.
    void turn_away(Step& step, Job& job);
    /// Refuses those that were not told the end; the job is about to be erased.
    void end_all(Step& step, Job& job);
    /// What was kept of the job can't be read: nobody is shown the rest as if it were all.
    void refuse_for_damage(Step& step, Job& job);

    /// The job stays, after it was to go to another gatherer: what clients have acknowledged
    /// meanwhile counts now.
    void resume(Step& step, Job& job);

    /// The connection is gone.
    void drop(Step& step, const JobTable& jobs, const PeerId& peer);
    /// Those that the table of keys does not let in any more. The connection itself can't be cut.
    void drop_denied(Step& step, const JobTable& jobs);
    /// A follower that went away without a trace must not stop an attached job for the one that
    /// came after it. It is dropped only when another follows; if it lives after all, it asks
    /// again.
    void drop_silent(Step& step, const JobTable& jobs);
    /// They asked for a job that was not assigned in time.
    void refuse_expired(Step& step, const std::vector<EarlyCollect>& expired);

    std::optional<Time> next() const { return scan_for_silent_at_; }
    static void check_invariants(const JobTable& jobs);

private:
    bool pump(Step& step, Job& job, const PeerId& peer, Collector& collector);
    void conclude(Step& step, const Job& job, const PeerId& peer);
    void ask_whether_it_runs(Step& step, Job& job);
    void free_if_had(Job& job, Index first);
    void free_had(Step& step, Job& job);
    void after_freeing(Step& step, Job& job);
    static void refuse(Step& step, const PeerId& peer, wire::Refused refused);

    std::string name_;
    Parts parts_;
    std::optional<Time> scan_for_silent_at_;
};

}  // namespace fanfold::gatherer
