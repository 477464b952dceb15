// The worker's core: takes chunks on loan, runs them in its slots, pushes results to the gatherer
// of their job, tells the broker what is done, and keeps each result until it is released. It owns
// all of that, on one thread; events in, actions out.
//
// Invariants (checked by check_invariants()):
// - a slot runs at most one task; a fragment that is held is in exactly one task or in the queue;
// - every fragment of a dispatched chunk ends in exactly one of: done, failed, returned, released;
// - a result is kept until the broker releases it or drops its job.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/events/events.hpp"
#include "worker/core/done_batch.hpp"
#include "worker/core/kept_results.hpp"

namespace fanfold::worker {

using SlotId = std::uint32_t;

/// What a slot is asked to run: consecutive fragments of one job, one after the other.
struct Task {
    std::uint64_t number = 0;  // unique in this worker's life; comes back in every event about it
    JobId job;
    Index first = 0;
    std::uint32_t count = 0;
    std::uint32_t attempt = 1;
    Slice body;          // `count` payloads back to back
    wire::JobSpec spec;  // the function, the timeout of each attempt, cwd, environment, max_output
};

// --- events
// ---------------------------------------------------------------------------------------------------
struct FromBroker {
    wire::Message message;
    Slice body;
};
/// Values of consecutive fragments of a task, in order. An executor flushes what it has at least
/// every limits::flush_interval, and before a failure.
struct Values {
    std::uint64_t task = 0;
    Index first = 0;
    std::uint32_t count = 0;
    Slice body;
    wire::Microseconds started{0};  // since 1970
    wire::Microseconds elapsed{0};
};
/// One fragment of a task ended without a value. `output` is what Failure::output_bytes counts.
struct Failed {
    std::uint64_t task = 0;
    wire::Failure failure;  // attempt and worker are filled in by the core
    Slice output;
};
/// The slot is free again. What the task had not reported is as if never started.
struct Finished {
    std::uint64_t task = 0;
};
/// The handler runs past the job's timeout at this fragment and can't be stopped: the slot is stuck
/// until Finished comes.
struct Overran {
    std::uint64_t task = 0;
    Index index = 0;
};
/// The answer to every Trim: what the task had not begun, and will not run. Empty when it had begun
/// all, or is over.
struct Trimmed {
    std::uint64_t task = 0;
    Range range;
};
/// The operator wants the worker to leave: finish what runs, return the rest, then Leave.
struct Drain {};
using Event =
    std::variant<FromBroker, Values, Failed, Finished, Overran, Trimmed, Drain, Garbled, Tick>;

// --- actions
// --------------------------------------------------------------------------------------------------
struct SendBroker {
    wire::Message message;
    Slice body = {};
};
/// PUSH to the gatherer; the shell keeps one connection for each and chooses the endpoint.
struct PushResults {
    wire::GathererRef to;
    wire::Results message;
    Slice body;
};
struct Run {
    SlotId slot = 0;
    Task task;
};
/// Stop the task as soon as it can be: kill the command, set the handler's cancellation token.
/// Finished follows.
struct Stop {
    std::uint64_t task = 0;
};
/// Begin nothing more of the task from this index on. Trimmed answers it, exactly once, whether the
/// task still runs or not.
struct Trim {
    std::uint64_t task = 0;
    Index from = 0;
};
/// The broker has been silent past its timeout: the shell makes a new connection (with a new
/// routing id), the core says Hello again.
struct Reconnect {};
/// The worker has left, or all its slots are stuck: the shell ends its loop; `error` is empty when
/// all is well.
struct Leave {
    std::string error;
};
using Action = std::variant<SendBroker, PushResults, Run, Stop, Trim, Reconnect, Leave, Note>;

struct Options {
    std::string name;
    Epoch epoch;
    std::uint32_t slots = 1;
    std::vector<std::string> functions;
    std::vector<std::string> idempotent =
        {};  // of the functions, those of which a fragment may run twice
    std::vector<std::string> labels = {};
    std::vector<wire::Resource> resources = {};
};

class Core {
public:
    explicit Core(Options options);
    void step(Time now, Event event, std::vector<Action>& actions);
    Time next_wakeup() const;
    void check_invariants() const;

    /// Fragments on loan: running or waiting for a slot.
    std::uint64_t held() const;
    /// Bytes of the results that are kept until they are released.
    std::uint64_t kept_bytes() const { return kept_bytes_; }
    /// The broker has welcomed this worker, and is not silent.
    bool connected() const { return phase_ == Phase::standing; }

private:
    enum class Phase : std::uint8_t {
        unborn,    // nothing was said yet
        greeting,  // Hello was said, Welcome is awaited
        standing,  // the session stands
        left,      // Leave was said; nothing is done any more
    };
    struct Job {
        wire::JobSpec spec;
        std::uint32_t assignment = 0;
        wire::GathererRef gatherer;
        RangeSet held;
        KeptResults kept;
    };
    /// Fragments of one job that wait for a slot; all of them are held.
    struct Chunk {
        JobId job;
        Range range;
        std::uint32_t attempt = 1;
        Slice body;
    };
    struct Slot {
        std::optional<std::uint64_t> task;  // nothing: the slot is free
        Chunk chunk;
        RangeSet open;  // what the task has not reported and is still wanted of it; empty when it
                        // is stopped or stuck
        Time started{};
        bool stuck = false;       // its handler overran, and has not returned yet
        RangeSet recalled = {};   // what a Recall asks for of `open`, while Trims are not answered
        std::uint32_t trims = 0;  // of them
    };
    using Actions = std::vector<Action>;

    static constexpr Duration done_patience =
        std::chrono::milliseconds(2);  // what has ended is told after so long
    static constexpr Duration full_patience =
        std::chrono::milliseconds(100);  // then a full worker gives back what waits
    static constexpr Duration drain_patience =
        limits::resend_after;  // for the confirmation of the last results

    // core.cpp: the session
    void on_event(FromBroker& event);
    void on_event(Values& event);
    void on_event(Failed& event);
    void on_event(Finished& event);
    void on_event(Overran& event);
    void on_event(Trimmed& event);
    void on_event(Drain& event);
    void on_event(Garbled& event);
    void on_event(Tick& event);
    void on_message(wire::Welcome& message, Slice& body);
    void on_message(wire::Refused& message, Slice& body);
    void on_message(wire::Heartbeat& message, Slice& body);
    void on_message(wire::Dispatch& message, Slice& body);
    void on_message(wire::Release& message, Slice& body);
    void on_message(wire::Drop& message, Slice& body);
    void on_message(wire::SendAgain& message, Slice& body);
    void on_message(wire::Recall& message, Slice& body);
    void begin_session();
    void number_from_one();
    void say_hello();
    void say_heartbeat();
    void keep_time();
    void leave(std::string error);
    void send(wire::Message message, Slice body = {});
    void note(Note note) { actions_->push_back(std::move(note)); }

    // core_work.cpp: chunks, slots and results
    void learn(const JobId& id, const wire::JobBrief& brief);
    void take_chunk(const JobId& id, Job& job, Chunk chunk);
    void queue_parts(Job& job, const Chunk& chunk, const std::vector<Range>& parts, bool front);
    void fail_range(const JobId& id, Range range, std::uint32_t attempt, const std::string& why);
    void give_back(const JobId& id, Range range, const char* why);
    void give_back_queue(const char* why);
    void store(Job& job, const Slot& slot, Range part, const Values& values);
    void push(const JobId& id, const Job& job, const KeptRun& run);
    void resend(const JobId& id, Job& job, const std::vector<Range>& ranges);
    void resend_overdue();
    void start_tasks();
    void settle();
    void flush_done();
    void finish_drain();
    void count_kept(const Job& job, bool add);
    Slot* slot_of(std::uint64_t task);
    Job* job_of(const JobId& id);
    bool offers(const std::string& function) const;
    bool full() const;
    std::uint32_t busy_slots() const;
    std::uint32_t stuck_slots() const;

    // core_release.cpp: letting go
    void release(const JobId& id, Job& job, Range range);
    std::vector<Range> cut_queue(const JobId& id, Job& job, Range range);
    void recall(const JobId& id, Job& job, const std::vector<Range>& ranges);
    void recall_from(SlotId id, const std::vector<Range>& ranges);
    void let_go(const Slot& slot, RangeSet unbegun);
    void stop_if_unwanted(Slot& slot);

    Options options_;
    Phase phase_ = Phase::unborn;
    Time now_{};
    Actions* actions_ = nullptr;  // of the step that is being made

    // the session
    LivedClock lived_;
    LivedTime heard_{};  // the broker's last message, or the begin of the attempt to
                         // reach it
    Time hello_at_{};    // while greeting: when to say it again
    Time heartbeat_at_{};
    Time beaten_{};                 // the last heartbeat was said then,
    bool nothing_to_tell_ = false;  // it named nothing, and no chunk has come since
    Duration heartbeat_ = limits::heartbeat_interval;
    Duration timeout_ = limits::peer_timeout;
    std::optional<Epoch> broker_;  // of the last welcome
    RangeSet seen_;                // sequence numbers of this session's dispatches
    std::uint64_t handled_ = 0;    // the highest of them
    std::uint64_t told_ =
        0;  // what the last heartbeat said of it: what is missing below is not awaited any more

    // the work
    std::map<JobId, Job> jobs_;
    std::deque<Chunk> queue_;
    std::vector<Slot> slots_;
    std::uint64_t last_task_ = 0;
    DoneBatch done_;
    std::optional<Time> done_since_;
    std::uint64_t recall_ = 0;  // the highest number of this session's Recalls
    std::uint32_t trims_ = 0;   // not answered; the Recall is obeyed when all are
    std::uint64_t kept_bytes_ = 0;
    std::uint64_t kept_ranges_ = 0;
    std::optional<Time> full_since_;
    Time resend_check_at_{};
    bool draining_ = false;
    Time drain_until_{};  // kept results are waited for so long
};

}  // namespace fanfold::worker
