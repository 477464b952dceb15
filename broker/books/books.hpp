// The broker's books of one job. Every accepted fragment is in exactly one place:
//
//     queued ──lend──▶ lent ──finish──▶ kept ──gathered──▶ safe
//        ▲              │ │               │
//        └─lost, given──┘ └─fail_attempt─▶ failed     (kept, and its worker died: limbo, then
//          back                                        queued again)
//
// A fragment that is lent may be hedged: on loan to a second worker in a later attempt. The first
// that ends well counts. All books are intervals of indices. The core's thread owns them; every
// transition is one method here, and take_changes() says what others have to follow.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/base/limits.hpp"
#include "broker/books/attempts.hpp"
#include "broker/books/kept_results.hpp"
#include "broker/books/loans.hpp"
#include "broker/books/queue.hpp"
#include "broker/books/settled.hpp"

namespace fanfold::broker {

/// What is settled needs its payload no more, or (failed) only for a retry.
struct SettledRange {
    Range range;
    bool failed = false;
    bool unwritten = false;  // failed, and no row says so: its payload stays until the end
};

class Books {
public:
    /// The next `count` fragments are accepted, and wait.
    void accept(Index count);

    /// What the store has of a job.
    struct Restored {
        RangeSet blocks;  // fragments whose payloads are there
        Index next = 0;   // so many were accepted
        std::vector<Range> safe;
        std::vector<FinalError> errors;
        std::map<Index, History> tried;
    };
    /// Whether every fragment that was accepted is there.
    bool restore(Restored rows);

    // --- dispatch
    /// What could be lent next, from the front of one of the two queues.
    struct Head {
        Index first = 0;
        Index end = 0;               // of the longest chunk: of one run, and one record of attempts
        bool alone = false;          // a suspect that runs alone in its chunk
        bool exclusive = false;      // and as the only suspect on its worker
        bool first_missing = false;  // all before it is settled: it may go past a full window
    };
    std::optional<Head> head(Queue::Kind queue) const;
    /// Lends the range, which begins at the head and ends by its end. Returns the attempt.
    std::uint32_t lend(const Head& head, Range range, const PeerId& worker, DispatchId dispatch);
    /// Lends a fragment a second time, which is on loan to another worker, and once only.
    std::uint32_t hedge(Index index, const PeerId& worker, DispatchId dispatch);

    // --- what becomes of loans
    using Releases = std::vector<std::pair<PeerId, Range>>;
    /// A worker says that it finished these well. (The gatherer may have said so before.) Returns
    /// the workers that run them in vain.
    Releases finish(Range range, const PeerId& worker);
    /// A worker says that an attempt failed. With no retry left, the error is final and waits in
    /// errors(). False: that attempt is not on loan to it.
    bool fail_attempt(wire::Failure failure, Slice output, const PeerId& worker,
                      std::uint32_t retries);
    /// What of the range is accepted and has no value yet ends as `cancelled`. Returns the workers
    /// that run it in vain.
    Releases cancel(Range range, const std::string& reason);
    /// A worker gives back what it has not started.
    void give_back(Range range, const PeerId& worker);
    /// How a worker was lost.
    struct Loss {
        PeerId worker;
        std::string name;
        Death death = Death::known;
        std::uint32_t crash_limit = limits::crash_limit;
    };
    /// What the worker had on loan goes back to the queue; unless it left in good order, as
    /// suspects, which run in smaller chunks, at last alone. One that is counted for the
    /// crash_limit-th time is final as `crashed`. What it kept goes to limbo. Returns the fragments
    /// that are accused until it is known what became of the worker; one that may be guilty
    /// already is withheld.
    std::vector<Index> lose_worker(const Loss& loss, Time now);
    /// What became of the worker, by which the fragment was accused.
    void judge(Index index, Verdict verdict, const Loss& loss);
    /// A worker's inventory; `handled` is the last dispatch that it saw.
    struct Inventory {
        std::uint64_t handled = 0;
        const std::vector<Range>& held;
        const std::vector<Range>& kept;
    };
    /// What the books lent to the worker before and it does not name is queued again. Returns what
    /// it holds and should let go.
    std::vector<Range> reconcile(const PeerId& worker, const Inventory& inventory);
    /// The worker has a new connection.
    void rename_worker(const PeerId& old_id, const PeerId& new_id);
    /// What has been in limbo for long enough is queued again.
    void requeue_limbo(Time now);
    /// The gatherer has these safe, some of them as failures that were not known here. Returns the
    /// workers that may let go, with what: of kept results, and of loans that are not wanted any
    /// more.
    Releases gathered(const std::vector<Range>& ranges, const std::vector<Range>& failed = {});
    /// The gatherer has lost what it had of these, whose errors are not here either: they are
    /// queued again, but for those that were cancelled, which errors() has once more. Returns what
    /// is queued again.
    std::vector<Range> take_back(const std::vector<Range>& ranges);

    // --- rounds
    /// Fragments that never ran to an end, as the outcome lists them: dispatched at least once, and
    /// not; and those whose value was lost.
    std::vector<wire::Missing> unfinished() const;
    /// Drops every book that only a running job needs.
    void close();
    /// Whatever has no value is queued again. Returns the fragments that had failed.
    std::vector<Range> reopen();

    /// What has changed since it was last asked.
    struct Changes {
        std::vector<LoanChange> loans;
        std::vector<SettledRange> settled;
        std::vector<Struck> struck;
    };
    Changes take_changes();
    FinalErrors& errors() { return settled_.errors(); }

    Index next() const { return next_; }
    const Queue& queue() const { return queue_; }
    const Loans& loans() const { return loans_; }
    const KeptResults& kept() const { return kept_; }
    const Settled& settled() const { return settled_; }
    void check_invariants(bool running) const;

private:
    void make_final(wire::Failure failure, Slice output);
    bool is_guilty(Index index, const History& history, const Loss& loss);
    std::vector<Range> adopt(const PeerId& worker, Range held);

    Index next_ = 0;
    Queue queue_;
    Attempts attempts_;
    Loans loans_;
    KeptResults kept_;
    Settled settled_;
    RangeSet taken_back_;
    std::vector<SettledRange> settled_now_;
};

}  // namespace fanfold::broker
