// The broker's core: accepts blocks, slices them into chunks, lends chunks to workers by credit,
// and knows of every fragment where it is. It owns all jobs and sessions, on one thread; events in,
// actions out.
//
// Invariants (checked by check_invariants()):
// - each accepted fragment of a running job is in exactly one place of its books (job.hpp);
// - a loan names a live session, and the session's sums agree with the books;
// - a job has one outcome, set once, and nothing of it is on loan afterwards.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "broker/core/job.hpp"
#include "broker/core/peers.hpp"
#include "broker/core/pools.hpp"
#include "broker/core/records.hpp"
#include "broker/core/tenants.hpp"
#include "shared/events/events.hpp"
#include "shared/events/misbehaviour.hpp"
#include "shared/store/store.hpp"

namespace fanfold::broker {

/// The store fails, and what was accepted waits in memory to be written; an empty text: it works
/// again.
struct StoreTrouble {
    std::string text;
};

/// Received: on control. Pulled: a Block.
using Event = std::variant<Received, Pulled, Denied, KeysChanged, Unroutable, Garbled, StoreTrouble,
                           Fetched, Committed, Tick>;

/// To be written. What a step sends after it must not be sent before it is safe (but for what
/// promises_nothing()).
struct Persist {
    Record record;
};
using Action = std::variant<Send, Persist, Fetch, Note>;

/// Whether the message may be sent before what was persisted ahead of it is safe.
bool promises_nothing(const wire::Message& message);

struct Options {
    Epoch epoch;
    std::vector<std::string> blocks;  // endpoints of the PULL socket, as peers reach them
    Duration worker_timeout = limits::peer_timeout;
    std::uint32_t crash_limit = limits::crash_limit;
    std::uint64_t memory_bytes = limits::broker_memory_bytes;  // of payloads held; durable: what
                                                               // exceeds it is in the store alone
    bool durable = false;                                      // Persist actions are wanted
    Time started{};  // a moment of the clock that steps are told,
    std::chrono::milliseconds started_since_1970{
        0};                              // and when that was: jobs' ages outlive the process
    Duration keep = limits::keep_ended;  // an ended job is remembered so long, with its results
    bool fixed_fleet =
        false;  // no other worker will ever come: a function that none offers is refused at once
    UserLimits user_limits{};  // of each user who has none of its own
};

/// What is known of a function, whoever offers it.
struct Function {
    Times times;
    double hedges = 0;  // second attempts that it may still have: limits::hedge_budget of all
    void earn(std::uint64_t fragments) {
        hedges =
            std::min(hedges + limits::hedge_budget * static_cast<double>(fragments), most_hedges);
    }
    static constexpr double most_hedges = 100;
};

using Jobs = IndexedMap<JobId, Job>;

class Core {
public:
    explicit Core(Options options);

    /// Before the first step: every row of the store in its order, then restored().
    void restore(const Record& record);
    void restored();

    void step(Time now, Event event, std::vector<Action>& actions);
    Time next_wakeup() const;
    void check_invariants() const;

    /// Whether it is cut off, so that what it says need not even be read.
    bool is_ignored(const PeerId& from, const Sender& sender) const;

    /// For tests and status.
    const Sessions& sessions() const { return sessions_; }
    const Jobs& jobs() const { return jobs_; }
    std::uint64_t denied() const { return denied_; }
    std::uint64_t stale() const { return stale_.count(); }
    const Nonsense& nonsense() const { return nonsense_; }

private:
    // core.cpp: sessions and time
    void on(Received& event);
    void on(Pulled& event);
    void on(Unroutable& event);
    void on(Garbled& event);
    void on(StoreTrouble& event);
    void on(Fetched& event);
    void on(Committed& event);
    void on(Denied& event);
    void on(KeysChanged& event);
    void on(Tick&);
    void welcome(const PeerId& peer, wire::Hello& hello, const Sender& sender);
    void lose(const PeerId& peer, const char* why, bool in_good_order);
    Session take_out(const PeerId& peer);
    void send(const PeerId& to, wire::Message message, Slice body = {});
    void send_later(const PeerId& to, wire::Message message);
    void flush_soon();
    void flush_later();
    void refuse(const PeerId& to, wire::RefusalCode code, std::string text,
                std::optional<JobId> job = {});
    void note(Note note) { actions_->push_back(std::move(note)); }
    Job* find(const JobId& job);

    // tenants.cpp: users, and what each may do and see
    void deny(const PeerId& from, const Sender& sender, const std::string& what,
              std::optional<JobId> job = {});
    void deny_aloud(const PeerId& from, const Sender& sender, const std::string& what,
                    std::string text);
    Job* find_for(const PeerId& from, const JobId& id, const char* what);
    bool may_own(const PeerId& peer, const Sender& sender) const;
    bool is_let_in(const Session& session) const;
    void pass_over(const PeerId& from, const std::string& what, std::optional<JobId> job = {});
    bool is_taken(const wire::Hello& hello, const Sender& sender) const;
    bool is_past(const wire::Hello& hello) const;
    void tell_keys(const PeerId& gatherer);
    const UserLimits& limits_of(const std::string& user) const;
    std::string limit_text(const std::string& user, const char* name) const;
    std::string why_no_job(const std::string& user);
    std::string why_no_submission(const std::string& user);
    std::string why_too_large(const std::string& user, const wire::Block& block,
                              const Slice& body) const;
    std::string why_too_many(const std::string& user, std::uint64_t fragments) const;
    bool user_has_room(const Job& job) const;
    std::uint64_t room_of_user(const std::string& user);
    void offer_room(Job& job);
    void drop_retained_of(const std::string& user);

    // nonsense.cpp: peers that are counted, and cut off
    void strike(const PeerId& from, const Sender& sender, const char* what, std::string why,
                std::size_t bytes = 0);
    void cut_off();

    // durable.cpp: what is written, and read back
    void persist(const JobId& job, Row row, std::uint64_t number, const wire::Message& message,
                 Slice body = {});
    void erase_row(const JobId& job, Row row, std::uint64_t number);
    void erase_rows(const JobId& job);
    void persist_opening(Job& job);
    void persist_location(const Job& job);
    void persist_accepted(const Job& job);
    void persist_safe();
    void persist_safe(Job& job);
    void persist_end(Job& job);
    void persist_share(const Job& job);
    void persist_history(Job& job);
    void persist_retry(Job& job, const std::vector<Range>& failed, std::uint64_t fragments);
    void restore_of(Job& job, Row row, const Record& record, wire::Message& message);
    std::chrono::milliseconds since_1970(Time moment) const;
    Time moment_of(std::uint64_t since_1970) const;

    // clients.cpp: jobs, from the first block to the outcome
    void on_block(wire::Block& block, Slice body, const Sender& sender);
    void open(const wire::Block& block, const Sender& sender);
    void on_seal(const PeerId& from, const wire::Seal& seal);
    void on_cancel(const PeerId& from, const wire::Cancel& cancel);
    void on_watch(const PeerId& from, const wire::Watch& watch);
    void seal_when_whole(Job& job);
    void tell_credit(Job& job, bool always);
    void tell_owner(const Job& job, wire::Message message);
    std::uint64_t window() const;
    bool has_room(const Job& job) const;
    std::optional<Duration> lease_of(const Job& job) const;
    void tell_notice(Job& job);
    void lose_client(const PeerId& peer, const Session& session);
    void adopt_client(const PeerId& peer, const Session& session);
    void end(Job& job, wire::Outcome outcome, std::string reason, bool lost = false);

    // reports.cpp: what there is; jobs by key, retried, forgotten
    void on_query(const PeerId& from, const wire::Query& query);
    void on_find(const PeerId& from, const wire::Find& find);
    bool answer_find(const PeerId& from, const wire::Find& find, bool at_last);
    void answer_finds();
    void on_adjust(const PeerId& from, const wire::Adjust& adjust);
    void on_retry(const PeerId& from, const wire::Retry& retry);
    void on_forget(const PeerId& from, const wire::Forget& forget);
    void on_forgotten(const PeerId& from, const wire::Forgotten& forgotten);
    bool ask_to_forget(const JobId& job);
    void bury();
    void forget_ended();
    void forget(JobId job);
    std::vector<JobId> select(const std::string& selector, const Sender& sender) const;
    void report_jobs(wire::Report& report, const std::vector<JobId>& jobs, const JobId& after);
    void report_workers(wire::Report& report, const std::string& after) const;
    wire::JobInfo info(const Job& job) const;
    wire::WorkerInfo info(const Session& worker) const;

    // memory.cpp: payloads within their limit
    void account(Job& job);
    bool short_of_memory(std::uint64_t more) const;
    void spill_new(Job& job, Index first);
    void make_room(Job& fetched, Index first);
    void drop_retained();
    void want(Job& job, Index index);
    void pass_on(Job& job, Range lent);

    // fleet.cpp: workers
    enum class Lending : std::uint8_t {
        lent,
        not_wanted,  // no worker wants it
        not_now,     // it must wait for something else
    };
    void start_running(Job& job);
    void stop_running(Job& job);
    void ready(Job& job);
    void dispatch();
    Lending lend_next(Job& job, bool queueing);
    const Place* best_worker(const Pool& pool, const Job::Head& head, bool queueing) const;
    void lend(Job& job, const Job::Head& head, const PeerId& peer, Session& worker);
    void send_chunk(Job& job, const PeerId& peer, Session& worker, Job::Chunk chunk);
    void on_done(const PeerId& from, Session& worker, wire::Done& done, const Slice& body);
    void on_inventory(const PeerId& from, Session& worker, const wire::Heartbeat& heartbeat);
    void lose_worker(const PeerId& peer, Session& worker, bool in_good_order);
    void adopt_worker(const PeerId& old_id, const PeerId& new_id, Session& worker);
    void tell_notices(const std::vector<Pool*>& pools, std::size_t members);
    void apply_changes(Job& job);
    void change_lent(Session& worker, const Job& job, const LoanChange& change);
    void place(const PeerId& peer, Session& worker);
    bool window_full(const Job& job) const;
    void release(const PeerId& worker, const JobId& job, Range range);
    void flush_releases();
    void learn(Job& job, Session& worker, std::uint64_t count, Duration busy);
    double estimate(const Job& job) const;

    // idle.cpp: what idle slots get when nothing is queued for them
    struct Look;
    void look_for_work();
    void look_at(const Pool& pool, Look& look);
    void look_at(const PeerId& peer, const Session& worker, const Pool& pool, Look& look);
    void recall(const Look& look);
    void hedge(Look& look);
    bool hedge_one(const PeerId& first, const LentKey& key);
    std::optional<Duration> hedge_delay(const Job& job, const Session& worker) const;
    void on_recalled(const PeerId& from, Session& worker, const wire::Done& done);

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
    void send_heartbeats();
    void sweep();
    wire::Milliseconds heartbeat() const;
    Time next_sweep() const;

    Options options_;
    std::vector<Action>* actions_ = nullptr;  // of the step under way
    Time now_{};
    LivedClock lived_;
    Time next_heartbeat_{};
    Time swept_{};

    Sessions sessions_;
    std::set<PeerId> gatherers_;                     // of the sessions,
    std::map<std::string, std::set<PeerId>> names_;  // and whose they are
    Jobs jobs_;
    std::map<std::pair<std::string, std::string>, JobId> keys_;  // by user and key
    std::set<JobId> running_;
    Pools pools_;
    double virtual_time_ = 0;  // of the job that was served last
    std::map<std::string, Function> functions_;
    Time next_look_ = Time::max();  // for idle slots,
    Time no_look_before_{};
    std::vector<Send> later_;  // for those who don't wait for it,
    std::optional<Time> later_at_;
    std::optional<Time> flush_at_;   // releases wait until then,
    std::vector<PeerId> releasing_;  // for these workers
    std::set<JobId> unsaved_;        // jobs whose safe ranges have changed since they were written
    std::string trouble_;            // of the store; empty when all is well
    struct Waiting {
        PeerId from;
        wire::Find find;
        Time until{};
    };
    std::vector<Waiting> finds_;  // the client that has the job may be dead, which shows soon
    struct Tombstone {
        wire::GathererRef gatherer;
        Time since{};
    };
    Time next_burial_{};
    std::map<JobId, Tombstone> tombstones_;  // forgotten, and their gatherers have not said so yet
    std::deque<JobId> retained_;  // ended, without a store, with payloads for a retry; oldest first
    std::uint64_t held_bytes_ = 0;         // payloads in memory,
    std::uint64_t waiting_bytes_ = 0;      // and those that wait to be written
    std::map<JobId, LivedTime> orphaned_;  // jobs whose gatherer is away, and since when
    LivedTime gatherer_missed_{};          // the start, or of the last loss of a gatherer
    std::uint64_t denied_ = 0;
    Seldom stale_;  // messages of an earlier life, round, assignment or attempt
    std::map<std::string, UserLimits> limits_;
    UserLimits others_;                      // of users who have none there
    std::map<std::string, Tenant> tenants_;  // by user: those of jobs and of keys
    std::optional<std::map<std::string, wire::AllowedKey>>
        allowed_keys_;  // by key; none: everybody is let in
    Nonsense nonsense_;
    struct CutOff {
        PeerId from;
        Sender sender;
        std::optional<std::uint64_t> log;
    };
    std::optional<CutOff> cut_off_;  // at the end of the step
};

}  // namespace fanfold::broker
