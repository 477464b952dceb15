// A broker's core among peers that are played: workers which run chunks under virtual time and end
// them somewhat out of order, clients that send blocks as their credit allows, one gatherer. One
// thread.
//
// Invariant: what the workers' inventories say is what they have been sent, less what they have
// told the end of or were let go of.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <queue>
#include <vector>

#include "broker/core/core.hpp"
#include "tests/bench/played.hpp"

namespace fanfold::bench {

struct FleetPlan {
    std::uint32_t workers = 8;
    std::uint32_t slots = 1;  // of each
    Duration each{10'000};    // mean time of a fragment
    std::uint64_t memory = std::uint64_t{1} << 40;
};

class PlayedBroker {
public:
    /// What a step was about.
    enum class About : std::uint8_t { decision, block, confirmation, inventory, time };

    explicit PlayedBroker(FleetPlan plan);

    /// A job with its first block. `total` 0: it never ends.
    void open(std::uint64_t number, std::uint64_t total,
              std::uint32_t block_fragments = full_block);
    /// Sends a job's next block; false when it has no credit for it, or no more.
    bool feed(std::uint64_t number);
    /// Goes on to the next end of a chunk, whose worker tells it: a decision about its slot. False
    /// when nothing runs.
    bool finish_next();
    /// The job of that chunk.
    std::uint64_t finished_job() const { return finished_job_; }
    /// The gatherer says what has come.
    void confirm();
    void tell_inventory(std::uint32_t worker);
    /// Runs all that there is.
    void run_to_end();

    /// Fragments of a job that no worker was sent yet.
    std::uint64_t waiting(std::uint64_t number) const;
    bool all_ended() const { return ended_ == jobs_.size(); }
    Spent spent(About about) const { return spent_[static_cast<std::size_t>(about)]; }
    Spent spent() const;
    std::uint64_t most_open() const {
        return most_open_;
    }  // fragments accepted and not confirmed, at the most
    const broker::Core& core() const { return core_; }

private:
    struct Job {
        JobId id;
        std::uint64_t number = 0;
        std::uint64_t total = 0;
        std::uint32_t block_fragments = 0;
        Index appended = 0;
        std::uint64_t bytes = 0;
        std::uint64_t limit = limits::job_credit_bytes;
        Index accepted = 0;
        std::uint64_t sent = 0;  // to workers, and not given back
        RangeSet unconfirmed;
        std::uint64_t confirmed = 0;
        bool proposed = false;
    };
    struct Chunk {
        JobId job;
        Range range;
    };
    struct Books {
        RangeSet held, kept;
    };
    struct Worker {
        PeerId id;
        std::uint64_t handled = 0;
        std::deque<Chunk> queue;
        std::uint32_t busy = 0;
        std::map<JobId, Books> books;
    };
    struct Ending {
        Time when;
        std::uint64_t number = 0;
        std::uint32_t worker = 0;
        Chunk chunk;
        Duration busy{};
        bool operator<(const Ending& other) const {
            return std::pair(when, number) > std::pair(other.when, other.number);
        }
    };

    void step(About about, broker::Event event);
    void say(About about, const PeerId& peer, wire::Message message) {
        step(about, Received{peer, std::move(message), {}});
    }
    void take(Send& send);
    void take(std::uint32_t worker, const wire::Dispatch& dispatch);
    void take(std::uint32_t worker, const wire::Release& release);
    void take(std::uint32_t worker, const wire::Recall& recall);
    void start(std::uint32_t worker);
    void beat();
    Job& job(const JobId& id) { return jobs_.at(numbers_.at(id)); }

    FleetPlan plan_;
    broker::Core core_;
    simulation::Random random_{1};
    Time now_{std::chrono::hours(1)};
    Time beat_at_{};
    std::vector<Worker> workers_;
    std::map<PeerId, std::uint32_t> workers_by_id_;
    std::map<std::uint64_t, Job> jobs_;
    std::map<JobId, std::uint64_t> numbers_;
    std::priority_queue<Ending> endings_;
    std::uint64_t started_ = 0;
    std::uint64_t unconfirmed_runs_ = 0;
    std::uint64_t finished_job_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t open_ = 0, most_open_ = 0;
    std::vector<JobId> to_confirm_;
    std::deque<std::pair<std::uint32_t, wire::Recall>> recalls_;
    std::deque<JobId> located_;
    std::array<Spent, 5> spent_{};
};

}  // namespace fanfold::bench
