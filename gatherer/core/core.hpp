// The gatherer's core: assembles the results of jobs by correlation ID, once each, enforces
// deadlines and gather policies, streams to collectors. It owns all assemblies, on one thread;
// events in, actions out.
//
// Invariants (checked by check_invariants()):
// - a fragment has at most one entry in its assembly, a value or a failure; what comes again is
// counted and dropped;
// - an assembly has at most one outcome, and collectors hear of it only when it is final;
// - what is sent to a collector and not acknowledged stays within its credit (one entry may exceed
// it);
// - results for jobs not yet assigned stay within limits::early_result_bytes and
// limits::early_patience;
// - with a store: what is in memory (books and bodies), waits for the disk or is on its way back
// from it stays within memory_bytes, or
//   no body is kept beside what waits.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "gatherer/core/early.hpp"
#include "gatherer/core/events.hpp"
#include "gatherer/core/policy.hpp"
#include "gatherer/core/records.hpp"
#include "gatherer/core/session.hpp"
#include "gatherer/core/timers.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/result.hpp"
#include "shared/events/events.hpp"
#include "shared/events/misbehaviour.hpp"
#include "shared/store/store.hpp"

namespace fanfold::gatherer {

struct Options {
    wire::GathererRef self;  // as told to the broker
    std::uint64_t memory_bytes =
        limits::gatherer_memory_bytes;  // of all results held; durable: what exceeds it is in the
                                        // store alone
    bool durable = false;               // it asks for its state to be kept, by Persist
    /// Durable: what the wall clock read, since 1970, when the steady clock read zero.
    std::chrono::milliseconds steady_began{0};
    Duration keep = limits::keep_ended;  // of jobs that no broker knows any more
    std::string state = {};              // the folder of the state, as people know it
};

class Collector;

class Core {
public:
    explicit Core(Options options);
    ~Core();

    /// Durable: takes a row that an earlier life left. All of them, in the order of the store,
    /// before the first step. An error names a row that makes no sense; the core is of no use then.
    Result<void> restore(const Record& record);

    void step(Time now, Event event, std::vector<Action>& actions);
    /// When it next wants a Tick; the shell may send one earlier.
    Time next_wakeup() const;
    /// Whether the job's user asked for compressed values.
    bool compresses(const JobId& job) const;
    /// Whether it is cut off, so that what it says need not even be read.
    bool is_ignored(const PeerId& from, const Sender& sender) const;
    void check_invariants() const;
    const Nonsense& nonsense() const { return nonsense_; }
    /// Bytes of results held, in memory or in the store alone, for status and tests.
    std::uint64_t held_bytes() const;
    /// Of them in memory.
    std::uint64_t memory_bytes() const;
    /// Messages of those who may not send them.
    std::uint64_t denied() const { return denied_; }

private:
    struct Job;
    struct Accounted;

    // core.cpp: events and time
    void handle(Step& step, FromBroker& event);
    void handle(Step& step, Received& event);
    void handle(Step& step, Pulled& event);
    void handle(Step& step, Denied& event);
    void handle(Step& step, Unroutable& event);
    void handle(Step& step, Garbled& event);
    void handle(Step& step, Tick& event);
    void handle(Step& step, StoreTrouble& event);
    void handle(Step& step, Fetched& event);
    void handle(Step& step, Committed& event);
    /// Whether what is said to the broker goes out now; else all of it is told again when it can.
    bool can_tell() const { return session_.welcomed() && !troubled_; }
    void strike(Step& step, const PeerId& from, const Sender& sender, const char* what,
                std::string why, std::size_t bytes = 0);
    void on_time(Step& step);
    void on_timer(Step& step, TimerKind kind, const JobId& id);
    void on_welcome(Step& step, const wire::Welcome& welcome);
    void on_broker_gone_for_good(Step& step);
    void on_broker_resumed(Step& step);

    // jobs.cpp: a job's life
    void on_assign(Step& step, const wire::Assign& assign);
    void on_total(Step& step, Job& job, std::uint64_t total);
    void on_results(Step& step, const wire::Results& results, const Slice& body,
                    const Sender& sender);
    void on_late(Step& step, Job& job, Range range);
    void on_errors(Step& step, wire::Errors errors, const Slice& body);
    void on_ended(Step& step, const wire::Ended& ended);
    void start_round(Step& step, Job& job, const wire::Assign& assign);
    void turn_collectors_away(Step& step, Job& job, const std::string& why);
    void on_forget(Step& step, const JobId& id);
    void forget(Step& step, Job& job);
    void confirm(Step& step, Job& job, Range range);
    void flush(Step& step, Job& job);
    void drop_unconfirmed(Job& job);
    void flush_due(Step& step);
    void settle(Step& step, Job& job, bool deadline_reached = false);
    void send_proposal(Step& step, Job& job);
    void tell_proposal(Step& step, const Job& job);
    void conclude(Step& step, Job& job, Verdict verdict,
                  const std::vector<wire::Missing>& from_broker);
    void abandon(Step& step, Job& job);
    void erase(const JobId& id);

    // memory.cpp: what is in memory, and what is in the store alone
    void account(Job& job);
    std::uint64_t pressure() const { return memory_bytes_ + waiting_bytes_ + fetching_bytes_; }
    void make_room(std::uint64_t more = 0);
    void spill_one(Job& job);
    bool has_room(std::uint64_t bytes);
    void relieve_memory(Step& step);
    void propose_lost(Step& step, Job& job, std::string reason);
    void fetch(Step& step, Job& job, const PeerId& peer, Collector& collector);
    void fetch_for_queued(Step& step);
    bool ask_for(Step& step, const JobId& job, std::uint64_t sequence, std::uint64_t bytes);
    void on_damage(Step& step, Job& job, std::uint64_t sequence);
    void refuse_for_damage(Step& step, const Job& job, const PeerId& peer);
    void check_memory() const;

    // collect.cpp: collectors
    void on_collect(Step& step, const PeerId& peer, const wire::Collect& collect,
                    const Sender& sender);
    void attach(Step& step, Job& job, const PeerId& peer, const wire::Collect& collect,
                const Sender& sender);
    void ask_whether_it_runs(Step& step, Job& job);
    void on_acknowledge(Step& step, const PeerId& peer, const wire::Acknowledge& acknowledge,
                        const Sender& sender);
    void pump(Step& step, Job& job);
    bool pump(Step& step, Job& job, const PeerId& peer);
    void free_if_had(Job& job, Index first);
    void free_had(Step& step, Job& job);
    void after_freeing(Step& step, Job& job);
    void drop_silent_followers(Step& step);
    void drop_collector(Step& step, const PeerId& peer);

    // access.cpp: who may do what
    bool may_collect(const Job& job, const Sender& sender) const;
    void on_keys(Step& step, wire::AllowedKeys allowed);
    void note_denied(Step& step, const Sender& sender, const char* what,
                     std::optional<JobId> job = {});

    // kept.cpp: what outlives the process
    void persist(Step& step, const JobId& job, Row kind, std::uint64_t number,
                 const wire::Message& message, const Slice& body = {});
    void persist_job(Step& step, const Job& job);
    void persist_entries(Step& step, const Job& job, std::uint64_t from_sequence);
    void persist_let_go(Step& step, Job& job, bool all = false);
    void persist_proposal(Step& step, const Job& job);
    void persist_outcome(Step& step, const Job& job);
    void persist_erasure(Step& step, const JobId& id);
    void erase_row(Step& step, const JobId& job, Row kind, std::uint64_t number);
    struct OldRound;
    Result<void> restore_row(const Record& record);
    static bool is_stale(const Job& job, const Record& record, const wire::Message& message);
    void persist_round(Step& step, const Job& job, const OldRound& old);
    Result<void> restore_job(const Record& record, wire::Assign assign);
    Result<void> restore_of(Job& job, const Record& record, wire::Message message);
    void finish_restoring(Step& step);
    void resume(Step& step, Job& job);
    std::uint64_t milliseconds_since_1970(Time time) const;
    Time time_of(std::uint64_t milliseconds) const;

    Job* find(const JobId& id);

    Options options_;
    LivedClock clock_;
    Time now_{};  // of the last step
    Session session_;
    Timers timers_;
    Early early_;
    Nonsense nonsense_;
    std::map<JobId, std::unique_ptr<Job>> jobs_;
    std::set<JobId> unflushed_;  // jobs with ranges that are not confirmed to the broker
    std::optional<Time> flush_at_;
    std::optional<Time> look_for_silent_at_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t memory_bytes_ = 0;
    std::uint64_t waiting_bytes_ = 0;  // of bodies that are not on disk yet
    std::set<std::pair<std::uint64_t, JobId>>
        with_bodies_;  // jobs whose bodies could be spilled, by the bytes of those
    struct Fetching {
        std::uint64_t bytes = 0;
        bool stale = false;  // its job was forgotten: what comes is not of another job of this id
    };
    std::map<std::pair<JobId, std::uint64_t>, Fetching>
        fetching_;  // asked of the store, by job and sequence
    std::uint64_t fetching_bytes_ = 0;
    std::deque<std::pair<JobId, PeerId>>
        queued_;  // collectors that wait for others' fetching; one may be gone when its turn comes
    bool restoring_ = true;  // until the first step
    bool troubled_ = false;  // the store can't write
    std::optional<std::map<std::string, Sender>>
        allowed_;  // by public key, once the broker has told
    std::uint64_t denied_ = 0;
    std::optional<Time> denied_noted_at_;
};

}  // namespace fanfold::gatherer
