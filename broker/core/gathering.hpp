// Gatherers: which job is whose, what is safe there, and how the loss of a
// gatherer ends its jobs. Owned by the core's thread.
#pragma once

#include <string>
#include <vector>

#include "broker/core/endings.hpp"
#include "broker/core/error_batches.hpp"
#include "broker/state/conduct.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

/// Whether the client did not expect its job to be where it is.
bool is_elsewhere(const Job& job);

class Gathering {
public:
    explicit Gathering(const Owners& owners) : owners_(owners) {}

    /// After a start, or when one has just gone, a gatherer may be on its way.
    bool may_come(LivedTime lived) const {
        return lived - missed_ < owners_.options.worker_timeout;
    }
    /// A new job, while a gatherer is there, is the preferred one's, else that of the one with the
    /// fewest running jobs.
    void open(Job& job);
    /// Tells the gatherer of its job, or of its total; and the owner where it is, unless it chose
    /// so itself.
    void assign(Step& step, Job& job);
    /// A connection can break and heal with both ends alive, and nothing would show that an Assign
    /// was lost: it is said again, ever more seldom.
    void assign_again(Step& step, Job& job);
    static wire::Located located(const Job& job);

    /// Returns the job that goes on, if any: its client may have credit.
    Job* on_gathered(Step& step, const PeerId& from, const wire::Gathered& gathered);
    /// An answer for this broker, or for a worker: who hears it must have heard what is safe.
    void on_marked(Step& step, const PeerId& from, wire::Marked marked) const;
    void on_propose(Step& step, const PeerId& from, const wire::Propose& propose);

    void lose(const Step& step, const PeerId& peer);
    /// Nobody is to send anything to a gatherer whose key is let in no more, or to take anything
    /// from it: workers and clients of its jobs are told that it is nowhere, until it comes back
    /// with another key.
    void distrust_revoked(Step& step);
    /// The jobs that were the gatherer's own go on with it. Those whose results it lost with its
    /// memory end, unless what it has will be compared.
    void adopt(Step& step, const PeerId& peer);
    /// What the job waits for, of its gatherer; empty: nothing.
    std::string why_waiting(const Job& job) const;
    /// The owner, and whoever waits for the job's end; without a message, of what it waits for.
    void tell_clients(Step& step, const Job& job, const wire::Message& message) const;
    void tell_clients(Step& step, const Job& job) const;
    /// Says so to its clients where the gatherer is away for longer than a restart takes.
    void tell_of_absence(Step& step, Job& job);
    /// Why the job is not to wait for its gatherer any longer; empty: it is.
    std::string why_orphaned(const Job& job, LivedTime lived) const;
    /// Whether the name is the one of another user's gatherer, for which jobs wait.
    bool is_awaited_of_another(const std::string& name, const std::string& user) const;

    /// While it goes to another gatherer, what its own has of it stays as it is.
    void set_moving(Step& step, Job& job, bool moving);
    /// It has gone, with all that there was; what the other has is to be compared.
    void reassign(Step& step, Job& job, const PeerId& gatherer, std::uint32_t number);
    static void set_compared(Job& job) { job.assignment.write()->compared = true; }
    /// A job that has ended is asked for where its gatherer is now.
    void follow(Step& step, Job& job, const wire::GathererRef& gatherer);
    /// The gatherer counts its assignments from there.
    void take_number(Step& step, Job& job, std::uint32_t number);
    /// Why the job's values are gone; empty if they are not.
    std::string why_lost(const Job& job) const;
    /// Another round, for the gatherer of the last one.
    void reopen(const Step& step, Job& job);

private:
    void tell(Step& step, Job& job);
    void tell_workers(Step& step, const Job& job) const;
    bool wins_over_cancel(const Job& job, const PeerId& from, const wire::Propose& propose) const;
    bool keeps_results(const Job& job) const { return job.assignment->known.has_store(); }

    const Owners& owners_;
    LivedTime missed_{};  // the start, or the last loss of a gatherer
};

}  // namespace fanfold::broker
