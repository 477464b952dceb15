// The broker's core: accepts blocks, slices them into chunks, lends chunks to workers by credit, and knows of every fragment where it
// is. It owns all jobs and sessions, on one thread; events in, actions out.
//
// Invariants (checked by check_invariants()):
// - each accepted fragment of a running job is in exactly one place of its books (job.hpp);
// - a loan names a live session, and the session's sums agree with the books;
// - a job has one outcome, set once, and nothing of it is on loan afterwards.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "broker/job.hpp"
#include "broker/peers.hpp"
#include "broker/records.hpp"
#include "shared/core.hpp"
#include "shared/store.hpp"

namespace fanfold::broker {

/// The store fails, and what was accepted waits in memory to be written; an empty text: it works again.
struct StoreTrouble {
    std::string text;
};

/// Received: on control. Pulled: a Block.
using Event = std::variant<Received, Pulled, Unroutable, Garbled, StoreTrouble, Tick>;

/// To be written. What a step sends after it must not be sent before it is safe (Dispatch, Heartbeat, Welcome and Refused excepted: they
/// promise nothing).
struct Persist {
    Record record;
};
using Action = std::variant<Send, Persist, Note>;

/// Whether the message may be sent before what was persisted ahead of it is safe.
bool promises_nothing(const wire::Message& message);

struct Options {
    Epoch epoch;
    std::vector<std::string> blocks;  // endpoints of the PULL socket, as peers reach them
    Duration worker_timeout = limits::peer_timeout;
    std::uint32_t crash_limit = limits::crash_limit;
    bool durable = false;                             // Persist actions are wanted
    Time started{};                                   // a moment of the clock that steps are told,
    std::chrono::milliseconds started_since_1970{0};  // and when that was: jobs' ages outlive the process
    bool fixed_fleet = false;                         // no other worker will ever come: a function that none offers is refused at once
};

class Core {
public:
    explicit Core(Options options);

    /// Before the first step: every row of the store in its order, then restored().
    void restore(const Record& record);
    void restored();

    void step(Time now, Event event, std::vector<Action>& actions);
    Time next_wakeup() const;
    void check_invariants() const;

    /// For tests and status.
    const Sessions& sessions() const { return sessions_; }
    const std::map<JobId, Job>& jobs() const { return jobs_; }

private:
    // core.cpp: sessions and time
    void on(Received& event);
    void on(Pulled& event);
    void on(Unroutable& event);
    void on(Garbled& event);
    void on(StoreTrouble& event);
    void on(Tick&);
    void welcome(const PeerId& peer, wire::Hello& hello);
    void lose(const PeerId& peer, const char* why, bool in_good_order);
    void send(const PeerId& to, wire::Message message, Slice body = {});
    void refuse(const PeerId& to, wire::RefusalCode code, std::string text, std::optional<JobId> job = {});
    void note(Note note) { actions_->push_back(std::move(note)); }
    Job* find(const JobId& job);

    // durable.cpp: what is written, and read back
    void persist(const JobId& job, Row row, std::uint64_t number, const wire::Message& message, Slice body = {});
    void persist_opening(const Job& job);
    void persist_location(const Job& job);
    void persist_safe();
    void persist_end(const Job& job);
    std::chrono::milliseconds since_1970(Time moment) const;
    Time moment_of(std::uint64_t since_1970) const;

    // clients.cpp: jobs, from the first block to the outcome
    void on_block(wire::Block& block, Slice body);
    void open(const wire::Block& block);
    void on_seal(const PeerId& from, const wire::Seal& seal);
    void on_cancel(const PeerId& from, const wire::Cancel& cancel);
    void on_watch(const PeerId& from, const wire::Watch& watch);
    void on_query(const PeerId& from, const wire::Query& query);
    void seal_when_whole(Job& job);
    void tell_credit(Job& job, bool always);
    void tell_notice(Job& job);
    void lose_client(const PeerId& peer, const Session& session);
    void adopt_client(const PeerId& peer, const Session& session);
    void end(Job& job, wire::Outcome outcome, std::string reason);
    std::vector<JobId> select(const std::string& selector) const;
    wire::JobInfo info(const Job& job) const;

    // fleet.cpp: workers
    void dispatch();
    bool dispatch_one(Job& job);
    bool dispatch_head(Job& job, const Job::Head& head);
    PeerId best_worker(const Job& job, const Job::Head& head) const;
    void on_done(const PeerId& from, Session& worker, wire::Done& done, const Slice& body);
    void on_inventory(const PeerId& from, Session& worker, const wire::Heartbeat& heartbeat);
    void lose_worker(const PeerId& peer, Session& worker, bool in_good_order);
    void adopt_worker(const PeerId& old_id, const PeerId& new_id, Session& worker);
    void apply_loans(Job& job);
    void release(const PeerId& worker, const JobId& job, Range range);
    void flush_releases();
    double estimate(const Job& job) const;
    bool offered(const std::string& function) const;
    std::uint64_t slots_for(const std::string& function) const;

    // gathering.cpp: gatherers
    PeerId choose_gatherer(const std::string& preferred) const;
    void assign(Job& job);
    void assign_again(Job& job);
    void tell_gatherer(Job& job);
    void on_gathered(const PeerId& from, const wire::Gathered& gathered);
    void on_propose(const PeerId& from, const wire::Propose& propose);
    void send_errors(Job& job, bool all);
    void lose_gatherer(const PeerId& peer, const Session& session);
    void adopt_gatherer(const PeerId& peer, const Session& session);
    void end_orphans();
    void sweep();
    void forget_ended();
    void forget(const JobId& job);

    Options options_;
    std::vector<Action>* actions_ = nullptr;  // of the step under way
    Time now_{};
    LivedClock lived_;
    Time next_heartbeat_{};
    Time next_sweep_{};

    Sessions sessions_;
    std::map<JobId, Job> jobs_;
    std::vector<JobId> running_;               // in the order in which they are served
    std::size_t turn_ = 0;                     // whose turn it is in running_
    std::map<std::string, double> estimates_;  // nanoseconds a fragment, by function
    bool dispatch_needed_ = false;
    std::optional<Time> flush_at_;      // releases wait until then
    std::set<JobId> unsaved_;           // jobs whose safe ranges have changed since they were written
    std::string trouble_;               // of the store; empty when all is well
    std::map<JobId, Time> orphaned_;    // jobs whose gatherer is away: lived time of its loss
    std::deque<JobId> ended_attached_;  // oldest first; nobody asks for these for long
    std::deque<JobId> ended_kept_;
    Time gatherer_missed_{};  // lived time of the start, or of the last loss of a gatherer
    std::uint64_t garbled_ = 0;
};

}  // namespace fanfold::broker
