// Which job's turn it is, and which worker gets its next chunk. Every owner that moved fragments
// calls apply(), so that the sessions' sums, the memory and the job's place in line follow its
// books. Owned by the core's thread.
//
// Invariants: a job that runs is in a pool, and in line there if it has something to lend.
#pragma once

#include <optional>
#include <vector>

#include "broker/dispatch/estimates.hpp"
#include "broker/dispatch/inner_jobs.hpp"
#include "broker/dispatch/pools.hpp"
#include "broker/dispatch/troubles.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/payloads.hpp"

namespace fanfold::broker {

class Dispatcher {
public:
    explicit Dispatcher(const Owners& owners)
        : owners_(owners), inner_(owners.jobs, owners.sessions) {}

    // --- jobs
    void open(Job& job) { job.standing.write()->share = job.spec->share; }
    void start(Time now, Job& job);
    void stop(Job& job);
    /// The job stands in line, if it has something that could be lent now. To be called after
    /// whatever may have changed that, but for what apply() follows.
    void ready(Time now, Job& job);
    /// More has failed than the job tolerates: nothing of it begins any more, and its gatherer will
    /// end it.
    static bool past_tolerance(const Job& job);
    /// The gatherer has the last of its failures, and says next whether they are too many: of what
    /// was cancelled it may have values.
    static void await_verdict(Time now, Job& job);
    void park(Job& job) { pools_.park(job); }
    void adjust(Time now, Job& job, const wire::Adjust& adjust);
    /// After anything that moved fragments of the job.
    void apply(Step& step, Job& job);
    InnerJobs& inner() { return inner_; }

    // --- workers
    void join(const Step& step, const PeerId& peer, Session& worker);
    void leave(Session& worker, const PeerId& peer) { pools_.leave(peer, worker); }
    /// After a change of what could be had of a worker.
    void place(Time now, LivedTime lived, const PeerId& peer, Session& worker);
    /// Workers that have rested have a place again.
    void wake(const Step& step);
    /// The worker has the job's brief from now on. False: it had it before.
    bool add_brief(Job& job, const PeerId& peer, Session& worker);
    void forget_brief(Job& job, const PeerId& peer) { job.standing.write()->knowing.erase(peer); }

    /// Serves the jobs until no worker wants what is queued.
    void dispatch(Step& step);
    /// Starts a fragment that is on loan a second time; its payload is in memory.
    void hedge(Step& step, Job& job, Index index, const Place& to, const LentChunk& like);
    /// Whether a worker or a job's end may have left idle slots since it was last asked.
    bool take_moved() { return std::exchange(moved_, false); }
    std::map<Demand, Pool>& pools() { return pools_.all(); }
    void check_invariants() const;

private:
    enum class Lending : std::uint8_t {
        lent,
        not_wanted,  // no worker wants it
        not_now,     // it must wait for something else
    };
    Lending lend_next(Step& step, Job& job, bool queueing);
    enum class Room : std::uint8_t { slot, waiting_handler };
    void lend(Step& step, Job& job, const Books::Head& head, const Place& place, Room room);
    void lend_to_hosts(Step& step);
    void lend_to_host(Step& step, Job& job, const PeerId& host);
    /// What of the queue could be lent now.
    std::optional<Books::Head> head(const Job& job, Queue::Kind queue) const;
    struct Chunk {
        Range range;
        std::uint32_t attempt = 1;
        DispatchId dispatch;
    };
    void send_chunk(Step& step, Job& job, const Place& to, const Chunk& chunk, Slice body);
    struct Choice {
        const Place* place = nullptr;
        bool passed_over = false;  // a worker has room, but not for this
    };
    Choice best_worker(LivedTime lived, Job& job, const Books::Head& head, bool queueing) const;
    /// Whether what needs a free slot, and whose turn comes first, waits for one of this worker:
    /// with its queue filled it would have none for as long as the other job lasts.
    bool is_awaited(LivedTime lived, const Place& place, Job& by) const;

    const Owners& owners_;
    Pools pools_;
    InnerJobs inner_;
    double virtual_time_ = 0;  // of the job that was served last
    bool moved_ = false;
};

}  // namespace fanfold::broker
