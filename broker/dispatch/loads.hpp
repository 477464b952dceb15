// What each worker has on loan, as its session sums it up; the books of the jobs say what that is.
// Owned by the core's thread.
//
// Invariant: a session's sums agree with the loans in the books of all jobs.
#pragma once

#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class Loads {
public:
    /// The number of the next dispatch in the worker's session.
    DispatchId next(Session& worker) {
        return {.origin = Origin::dispatched, .sequence = ++worker.load.write()->sequence};
    }
    /// A chunk is on its way; its fragments are counted when the books' changes follow.
    void add(Session& worker, const LentKey& key, LentChunk chunk);
    /// Its payloads are.
    void send(const Step& step, Session& worker, std::uint64_t dispatch, std::uint64_t bytes);
    /// Dispatches up to this one have arrived. Returns whether it has room again.
    bool arrive(const Step& step, Session& worker, std::uint64_t dispatch);
    /// Time has passed. Returns likewise.
    bool look(const Step& step, Session& worker);
    /// A chunk that had a slot at once is done, after so much time in it.
    void learn_round_trip(const Step& step, Session& worker, const LentChunk& chunk, Duration busy);
    void change(Session& worker, const Job& job, const LoanChange& change);

    /// What it says of itself, beside what it holds. Returns whether it takes more or less now.
    bool set_usable(Session& worker, const wire::Heartbeat& heartbeat);
    /// It gets nothing until it says that it is well.
    void doubt(Session& worker, std::string why) {
        worker.load.write()->leaving = true;
        worker.load.write()->trouble = std::move(why);
    }
    void rest(Session& worker, LivedTime until) { worker.load.write()->rests_until = until; }
    void count_finished(Session& worker, std::uint64_t count) {
        worker.load.write()->finished += count;
    }
    /// The worker has handled so many dispatches, or found them lost. One that does not look for
    /// marks misses the last ones of a broken connection, without a later one to show it: returns
    /// up to which all are handled or lost. Should one of them arrive after all, it is past.
    std::uint64_t count_handled(Session& worker, std::uint64_t handled, LivedTime lived);

    /// Whether the worker may hold something of the job.
    void set_concern(Session& worker, const JobId& job, bool concerns);
    /// It has the job's brief now. False: it had it before, and is not owed it.
    bool add_brief(Session& worker, const JobId& job) {
        Load& load = *worker.load.write();
        const bool owed = load.owed_briefs.erase(job) > 0;
        return load.briefs.insert(job).second || owed;
    }
    /// The job's next chunk brings its brief once more.
    void owe_brief(Session& worker, const JobId& job) {
        Load& load = *worker.load.write();
        if (load.briefs.contains(job)) load.owed_briefs.insert(job);
    }
    void erase_brief(Session& worker, const JobId& job) {
        Load& load = *worker.load.write();
        load.briefs.erase(job);
        load.owed_briefs.erase(job);
    }
    /// The worker's session before.
    void take_over(Session& worker, const Session& before);

    static void check_invariants(const Jobs& jobs, const Sessions& sessions);
};

}  // namespace fanfold::broker
