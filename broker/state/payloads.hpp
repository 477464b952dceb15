// Payloads within --memory. With a store, what exceeds it is there alone, and is fetched when its
// turn comes; without one, blocks stay with their senders. Owned by the core's thread.
//
// Invariants: the sum over the jobs' bodies in memory is right, and so is each user's; of a job
// without a store that has ended, payloads stay for a retry while there is room.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

#include "broker/state/jobs.hpp"
#include "broker/state/persistence.hpp"
#include "broker/state/users.hpp"

namespace fanfold::broker {

class Payloads {
public:
    Payloads(const Options& options, Jobs& jobs, Users& users, Persistence& persistence)
        : options_(options), jobs_(jobs), users_(users), persistence_(persistence) {}

    /// What one job may send ahead.
    std::uint64_t window(double mean_bytes = 0) const;
    /// What a new block of the user may add to it.
    std::uint64_t room_of(const std::string& user) { return users_.room(user, window()); }
    /// Whether another block of so many bytes can be taken, also of a job that is not known yet.
    /// Without a store a quarter of --memory is for jobs that hold nothing here, so that each goes
    /// on; what is larger than all of it is taken alone.
    bool has_room(const Job* job, std::uint64_t bytes) const;
    /// A block that was accepted, or that the store has.
    void add(Job& job, const wire::Block& block, Slice body);
    /// So many bytes were accepted in all, also of blocks that the store has no more.
    void restore_accepted(Job& job, std::uint64_t bytes);
    /// Something that counts has changed.
    void account(Job& job);
    /// The job is new, or what describes it has changed.
    void weigh(Job& job);
    /// What the job's books have settled is needed no more.
    void settle(Job& job, const std::vector<SettledRange>& settled);
    /// What was settled is needed again, and there.
    void need_again(Job& job, const std::vector<Range>& ranges);

    /// The payload is wanted: it is fetched, and a few blocks after it.
    void prefetch(Step& step, Job& job, Index index);
    /// A block of which all is lent makes room for the next ones, when memory is scarce.
    void lent(Step& step, Job& job, Range range);
    enum class Arrival { sound, damaged, not_awaited };
    /// The store's answer.
    Arrival put_back(Job& job, Fetched& event);

    // --- outputs of failed fragments
    /// With a store: lets go of those that memory has no room for.
    void spill_outputs(Job& job);
    /// Whether so many more bytes may be on their way to gatherers.
    bool may_go(std::uint64_t bytes) const {
        return going_bytes_ == 0 || going_bytes_ + bytes <= options_.memory_bytes / 8;
    }
    /// Too much waits for its gatherer for more of the job to be run.
    bool outputs_full(const Job& job) const;

    /// With a store: ranges of the job have become safe, and flush_safe() is to write them.
    void note_safe(const Job& job) { unsaved_.insert(job.id); }
    void flush_safe(Step& step);

    /// The job has ended; what has no value is kept, if it may be wanted for a retry.
    void close(Job& job, bool keep);
    /// It ended in another way: nothing is kept.
    void clear(Job& job);
    void reopen(Job& job);
    void forget(const Job& job);
    /// The blocks that are needed no more.
    std::vector<Index> take_freed(Job& job) { return job.payload.write()->blocks.take_freed(); }
    /// Without a store: what is retained for retries makes room.
    void drop_retained();
    void drop_retained_of(const std::string& user);

    void check_invariants() const;

private:
    static Holding holding_of(const Job& job);
    bool short_of_memory(std::uint64_t more) const;
    void make_room(const Job& fetched, Index first);

    const Options& options_;
    Jobs& jobs_;
    Users& users_;
    Persistence& persistence_;
    std::uint64_t held_bytes_ = 0;    // in memory
    std::uint64_t output_bytes_ = 0;  // of these, of outputs
    std::uint64_t going_bytes_ = 0;   // of outputs on their way
    std::set<JobId> unsaved_;         // jobs whose safe ranges have changed since they were written
    std::deque<JobId> retained_;      // ended, without a store; oldest first
};

}  // namespace fanfold::broker
