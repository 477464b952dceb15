// What is in memory, and what is in the store alone. With a store every entry is a row of its own
// from the moment it is stored, so that its body can be let go of in memory at any time ("spilled")
// and be fetched when a collector comes to it. Owned by the gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - the sums are those of all jobs;
// - with a store, what is in memory, waits for the disk or is on its way back from it stays within
//   the limit, or no body is kept beside what waits;
// - what is on its way back is a part of the memory, or a single body.
#pragma once

#include <cstdint>
#include <deque>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>

#include "gatherer/core/job.hpp"
#include "gatherer/core/persistence.hpp"

namespace fanfold::gatherer {

class Memory {
public:
    Memory(std::uint64_t limit, const Persistence& persistence)
        : limit_(limit), persistence_(persistence) {}

    /// To be called whenever the job's assembly has changed.
    void account(Job& job);
    /// The job is about to be erased: its assembly holds nothing. What was fetched for it and comes
    /// later belongs to no other job of this id.
    void forget(Job& job);

    /// Spills bodies until so many bytes more have room, or none is left.
    void make_room(std::uint64_t more = 0);
    /// Whether a result of this size can be taken. One that can't stays with its sender, which
    /// sends it again. While nothing waits for the disk there is always room: so each gets in at
    /// last.
    bool has_room(std::uint64_t bytes);
    /// Whether a row of a job that comes from another gatherer can be taken.
    bool can_take(std::uint64_t bytes);
    /// Over the limit, although nothing is left to spill.
    bool is_full();
    /// The running job that has to go next, so that what stays fits; null when it does.
    Job* heaviest(const JobTable& jobs) const;
    /// Why that job has to go.
    std::string reason_to_lose(const Job& job) const;
    bool holds_memory(const Job& job) const { return job.share.memory > 0; }

    /// The name of Job::giving among the collectors: no connection has it.
    inline static const PeerId giver{};
    /// Asks for what the collector comes to next.
    void prefetch(Step& step, Job& job, const PeerId& peer, Collector& collector);
    /// Those that found no room before, in the order of their coming, however much each wants.
    void prefetch_for_queued(Step& step, const JobTable& jobs);
    /// What was asked for has come; nobody may want it any more. False: a value that was safe is
    /// gone.
    bool take(Job* job, const Fetched& event);

    std::uint64_t held_bytes() const { return held_bytes_; }
    std::uint64_t memory_bytes() const { return memory_bytes_; }
    /// Of all tables of jobs.
    void check_invariants(std::initializer_list<const JobTable*> tables) const;

private:
    struct Fetching {
        std::uint64_t bytes = 0;
        bool stale = false;  // its job was forgotten
    };

    std::uint64_t pressure() const {
        return memory_bytes_ + persistence_.waiting_bytes() + fetching_bytes_;
    }
    static void spill_one(Job& job);
    static Collector* find(Job& job, const PeerId& peer);
    bool fetch(Step& step, const JobId& job, const Collector::Needed& needed);

    std::uint64_t limit_;
    const Persistence& persistence_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t memory_bytes_ = 0;
    /// Jobs with bodies that could be spilled, by the bytes of those.
    std::map<std::pair<std::uint64_t, JobId>, Job*> with_bodies_;
    /// Asked of the store, by job and sequence.
    std::map<std::pair<JobId, std::uint64_t>, Fetching> fetching_;
    std::uint64_t fetching_bytes_ = 0;
    /// Collectors that wait for others' fetching; one may be gone when its turn comes.
    std::deque<std::pair<JobId, PeerId>> queued_;
};

}  // namespace fanfold::gatherer
