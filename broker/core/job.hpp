// The broker's books of one job. Every accepted fragment is in exactly one place:
//
//     queued ──dispatch──▶ lent ──done──▶ finished ──gathered──▶ safe
//        ▲                  │ │              │
//        └──lost, returned──┘ └──error──▶ failed          (finished, and its worker died: limbo,
//        then queued again)
//
// A fragment that is lent may be hedged: on loan to a second worker in a later attempt. The first
// that ends well counts. All books are intervals of indices. Owned by the broker's core, on its
// thread; every transition is one method here.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/blocks.hpp"
#include "broker/core/holdings.hpp"
#include "broker/core/run_time_estimate.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/span_map.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

struct Pool;
struct Line;
struct Tenant;

/// A chunk, or what is left of it, on loan to a worker.
struct Loan {
    PeerId worker;
    std::uint64_t sequence = 0;  // of its dispatch, in the worker's session
    std::uint32_t attempt = 1;
    bool alone = false;  // a suspect, the only fragment of its chunk
};

/// Finished, and kept by this worker until it is safe.
struct Kept {
    PeerId worker;
};

/// What happened to fragments that were dispatched before and came back. Most have none.
struct History {
    std::uint32_t attempts = 0;      // dispatches so far
    std::uint32_t failures = 0;      // that ended in an error
    std::uint32_t lone_crashes = 0;  // alone in their chunk when their worker died
    std::uint32_t most =
        0;  // a suspect: fragments in its chunk at the next dispatch, at most; 0: it is none
    bool exclusive =
        false;  // a suspect that died in company of another: next time it is its worker's only one
};

/// A worker has more or fewer fragments of a dispatch on loan than before.
struct LoanChange {
    PeerId worker;
    std::uint64_t sequence = 0;  // 0: adopted, its dispatch is from an earlier session
    std::int64_t fragments = 0;
};

/// A final error on its way to the gatherer.
struct FinalError {
    wire::Failure failure;
    Slice output;
    bool told = false;
    Time sent{};
};

class Job {
public:
    Job(JobId job_id, wire::JobSpec job_spec, std::uint64_t owner_token, Time now);

    // --- what it is
    // -----------------------------------------------------------------------------------------
    const JobId id;
    const wire::JobSpec spec;
    std::string user;          // whose it is: the sender of its first block; empty without keys
    Tenant* tenant = nullptr;  // and what is known of that user
    std::uint64_t
        token;    // its client's secret; another client may take an unfinished submission over
    Time opened;  // or retried
    std::uint32_t round = 0;  // how often it was retried
    wire::JobShare share;
    double served = 0;  // its virtual time: nanoseconds of slots that it was lent, over its weight
    PeerId owner;       // control connection of its client; empty when gone
    std::uint64_t owner_incarnation = 0;
    Time assign_at{};  // when its gatherer is told of it again, should the message have been lost,
    Duration assign_patience{};       // and how long it was to wait for that
    std::optional<Time> lease_until;  // attached, and its client is gone
    std::set<PeerId> watchers;
    PeerId gatherer;  // its session; empty while it is away
    wire::GathererRef gatherer_ref;
    std::uint32_t assignment = 1;
    std::optional<std::uint64_t> announced;  // total of a seal that came before its blocks
    std::optional<std::uint64_t> total;
    std::string digest;  // of all accepted payloads, where the client tells it
    std::uint64_t told_limit =
        limits::job_credit_bytes;       // credit told to the client, cumulative body bytes
    std::uint64_t accounted_bytes = 0;  // its part of the core's sum of payloads in memory,
    std::uint64_t tenant_bytes = 0;     // and of its user's, wherever they are
    std::optional<Time>
        short_since;          // its user holds as much as it may, and nothing was accepted since,
    bool told_short = false;  // which its owner was told
    Time rests_until{};  // nothing is dispatched before: workers may hold it from the broker's life
                         // before
    std::uint64_t held_bytes = 0;  // at the gatherer, not let go
    std::string notice;            // what it waits for
    Times times;                   // that its fragments take
    double result_bytes = 0;       // mean of a fragment's value, as its workers tell
    std::set<PeerId> knowing;      // workers that have its brief
    wire::Ended end;               // outcome `running` until it has ended
    Time ended_at{};
    Pool* pool = nullptr;       // while it runs: who could serve it,
    Line* line = nullptr;       // and, while it has something to lend, where it waits for that
    bool in_one_block = false;  // it came whole, in its first message
    std::uint64_t hedged = 0;   // second attempts that were started
    std::uint64_t opened_row = 0, ended_row = 0,
                  round_row = 0;  // numbers of these rows in the store

    bool running() const { return end.outcome == wire::Outcome::running; }

    // --- acceptance
    // -----------------------------------------------------------------------------------------
    Index next() const { return next_; }
    std::uint64_t accepted_bytes() const { return accepted_bytes_; }
    /// Of blocks in which every fragment is settled.
    std::uint64_t freed_bytes() const { return freed_bytes_; }
    void accept(const wire::Block& block, Slice body);

    // --- read back from the store
    // ----------------------------------------------------------------------------
    void restore_block(const wire::Block& block, Slice body);
    void restore_accepted(Index next, std::uint64_t bytes, std::string its_digest);
    void restore_safe(const std::vector<Range>& ranges);
    void restore_error(wire::Failure failure, Slice output);
    void restore_end(wire::Ended how, Time when);
    void restore_history(Index index, const History& history);
    /// Whether all that was accepted is there, or of a job that has ended no more than that.
    bool whole() const;
    std::vector<Range> safe_ranges() const { return safe_.ranges(); }

    // --- dispatch
    // -------------------------------------------------------------------------------------------
    bool has_queued() const { return !queued_.empty() || !suspects_.empty(); }
    Index queued_count() const { return queued_.size() + suspects_.size(); }

    /// What could be lent next, from the head of one of the two queues.
    struct Head {
        Index first = 0;
        std::uint32_t longest =
            0;               // the most fragments in one chunk: of one block, one history, one run
        bool alone = false;  // a suspect that runs alone in its chunk
        bool exclusive = false;  // and as the only suspect on its worker
        bool first_missing =
            false;  // all before it is decided: it may go even when the window is full
        double mean_bytes = 0;
    };
    enum class Queue : std::uint8_t { ordinary, suspects };
    std::optional<Head> head(Queue queue) const;

    struct Chunk {
        Range range;
        std::uint32_t attempt = 1;
        Slice body;
    };
    /// Lends `count` fragments (at most Head::longest) from the head on.
    Chunk lend(const Head& head, std::uint32_t count, const PeerId& worker, std::uint64_t sequence);

    /// Lends a fragment that is on loan a second time. It must not be on loan to this worker, nor
    /// be hedged already.
    Chunk hedge(Index index, const PeerId& worker, std::uint64_t sequence);
    bool is_hedged(Index index) const { return hedges_.at(index) != nullptr; }
    /// What the worker has on loan of the range, second attempts left out.
    std::vector<Range> lent_to(const PeerId& worker, Range range) const {
        return loans_.of_within(worker, range);
    }

    // --- what becomes of loans
    // ------------------------------------------------------------------------------
    using Releases = std::vector<std::pair<PeerId, Range>>;
    /// A worker says that it finished these well. (The gatherer may have said so before.) Returns
    /// who runs the same in vain.
    Releases finish(Range range, const PeerId& worker);
    /// A worker says that an attempt failed. With no retry left, the error is final and waits in
    /// errors(). False: that attempt is not on loan to it.
    bool fail_attempt(wire::Failure failure, Slice output, const PeerId& worker);
    /// A worker gives back what it has not started.
    void give_back(Range range, const PeerId& worker);
    enum class Death : std::uint8_t {
        in_good_order,  // it left: nobody is suspected
        in_company,  // several suspects were on it, each alone in its chunk: none is counted, each
                     // is exclusive from now on
        counted,     // a suspect that was alone on it is counted
    };
    /// What the worker had on loan goes back to the queue; unless it left in good order, as
    /// suspects, which run in smaller chunks, at last alone. One that is counted for the
    /// crash_limit-th time is final as `crashed`. Finished but not safe results go to limbo.
    void lose_worker(const PeerId& worker, const std::string& name, Death death,
                     std::uint32_t crash_limit, Time now);
    /// The worker names what it holds; `handled` is the last dispatch that it saw. What the books
    /// lent to it before and it does not name is queued again. Returns what it holds and should let
    /// go.
    std::vector<Range> reconcile(const PeerId& worker, std::uint64_t handled,
                                 const std::vector<Range>& held, const std::vector<Range>& kept);
    /// Whether it has anything on loan, or finished and not safe.
    bool concerns(const PeerId& worker) const {
        return loans_.has(worker) || hedges_.has(worker) || finished_.has(worker);
    }
    /// The worker has a new connection.
    void rename_worker(const PeerId& old_id, const PeerId& new_id);
    /// Finished results whose worker died and that did not reach the gatherer meanwhile are queued
    /// again.
    void requeue_limbo(Time now);
    std::optional<Time> limbo_until() const;

    /// The gatherer has these safe. Returns who may let go of what: holders of kept results, and of
    /// loans that are no longer wanted.
    Releases gathered(const std::vector<Range>& ranges);

    std::map<Index, FinalError>& errors() { return errors_; }

    /// Fragments whose failed attempts or crashes were counted since it was last asked, and that
    /// are queued again.
    std::vector<Index> take_struck() { return std::exchange(struck_, {}); }
    const History* history(Index index) const { return history_.at(index); }
    RangeSet tried_rows;  // fragments whose history is in the store
    /// Its payloads, for what concerns memory.
    Blocks& payloads() { return blocks_; }
    const Blocks& payloads() const { return blocks_; }
    /// Bytes of values, by their mean, that workers have finished and that are not safe yet.
    double unsafe_bytes() const { return result_bytes * static_cast<double>(finished_.size()); }

    /// What has changed on loan since it was last asked.
    std::vector<LoanChange> take_loan_changes() { return std::exchange(changes_, {}); }

    // --- for reports
    // ----------------------------------------------------------------------------------------
    std::vector<SpanMap<Loan>::Span> loans() const { return loans_.all(); }
    std::vector<SpanMap<Loan>::Span> hedges() const { return hedges_.all(); }
    Index lent_count() const { return loans_.size(); }
    Index value_count() const { return finished_.size() + safe_.size() + limbo_set_.size(); }
    Index safe_count() const { return safe_.size(); }
    Index failed_count() const { return failed_.size(); }
    /// Fragments that never ran to an end, as the outcome lists them: dispatched at least once, and
    /// not.
    std::vector<wire::Missing> unfinished() const;

    /// Ends it and drops every book that only a running job needs. What has no value may be wanted
    /// for a retry, and is retained.
    void close(wire::Ended how, Time now);
    /// Why it can't be retried; empty when it can.
    std::string why_no_retry() const;
    /// A new round: whatever has no value is queued again. Returns the fragments that had failed.
    std::vector<Range> reopen(Time now);
    void check_invariants() const;

private:
    void requeue(Range range);
    /// Takes what is queued of the range out of both queues, and says what it was.
    std::vector<Range> unqueue(Range range);
    void suspect(const SpanMap<Loan>::Span& loan, const std::string& worker, Death death,
                 std::uint32_t crash_limit);
    void put_on_loan(Range range, Loan loan);
    void take_off_loan(Range range);
    void drop_hedges(Range range);
    std::vector<Range> lose_loans(Range range);
    void adopt(Range range, const PeerId& worker);
    void make_final(wire::Failure failure, Slice output);
    /// Nothing of the range will be queued again in this round.
    void settle(Range range, bool failed);
    bool can_be_retried() const { return !spec.attached; }

    Index next_ = 0;
    std::uint64_t accepted_bytes_ = 0;
    std::uint64_t freed_bytes_ = 0;
    Blocks blocks_;

    RangeSet queued_;    // ordinary work
    RangeSet suspects_;  // queued too: was on loan to a worker that died
    Holdings<Loan> loans_;
    Holdings<Loan> hedges_;  // second attempts, beside a loan
    Holdings<Kept> finished_;
    SpanMap<Time> limbo_;  // until when
    RangeSet limbo_set_;
    RangeSet safe_;                       // values that the gatherer has
    RangeSet failed_;                     // final errors, whether or not the gatherer has them yet
    RangeSet settled_;                    // both
    std::map<Index, FinalError> errors_;  // those that it has not
    SpanMap<History> history_;
    std::vector<LoanChange> changes_;
    std::vector<Index> struck_;
};

}  // namespace fanfold::broker
