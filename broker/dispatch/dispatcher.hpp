// Which job's turn it is, and which worker gets its next chunk. Every owner that moved fragments
// calls apply(), so that the sessions' sums, the memory and the job's place in line follow its
// books. Owned by the core's thread.
//
// Invariants: a job that runs is in a pool, and in line there if it has something to lend.
#pragma once

#include <optional>
#include <vector>

#include "broker/dispatch/estimates.hpp"
#include "broker/dispatch/loads.hpp"
#include "broker/dispatch/pools.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/payloads.hpp"

namespace fanfold::broker {

class Dispatcher {
public:
    explicit Dispatcher(const Owners& owners) : owners_(owners) {}

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
    void park(Job& job) { pools_.park(job); }
    void adjust(Time now, Job& job, const wire::Adjust& adjust);
    /// After anything that moved fragments of the job.
    void apply(Step& step, Job& job);

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
    void lend(Step& step, Job& job, const Books::Head& head, const Place& place);
    struct Chunk {
        Range range;
        std::uint32_t attempt = 1;
        DispatchId dispatch;
    };
    void send_chunk(Step& step, Job& job, const Place& to, const Chunk& chunk, Slice body);
    static const Place* best_worker(const Pool& pool, const Books::Head& head, bool queueing);
    static bool window_full(const Job& job);

    const Owners& owners_;
    Pools pools_;
    double virtual_time_ = 0;  // of the job that was served last
    bool moved_ = false;
};

}  // namespace fanfold::broker
