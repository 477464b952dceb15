// A gatherer's core with one job among peers that are played: a broker that has assigned it,
// workers whose runs come somewhat out of order, and a collector that takes them in order and
// acknowledges at once. One thread.
#pragma once

#include <vector>

#include "gatherer/core/core.hpp"
#include "tests/bench/played.hpp"

namespace fanfold::bench {

struct GatheringPlan {
    std::uint32_t run_fragments = 4096;
    std::uint32_t shuffled = 64;  // runs that may overtake one another
};

class PlayedGatherer {
public:
    explicit PlayedGatherer(GatheringPlan plan);

    /// The next job, assigned and collected. `total` 0: it never ends.
    void open(std::uint64_t total);
    /// One run arrives.
    void take_run();
    /// Takes all runs of the job; throws when it does not end as complete.
    void run_to_end();
    Spent spent() const { return spent_; }
    std::uint64_t delivered() const { return delivered_; }

private:
    void step(gatherer::Event event);
    void beat();
    void answer(wire::Message& message);

    GatheringPlan plan_;
    gatherer::Core core_;
    simulation::Random random_{2};
    Time now_{std::chrono::hours(1)};
    Time beat_at_{};
    JobId job_{};
    std::uint64_t jobs_ = 0;
    std::uint64_t total_ = 0;
    Index next_ = 0;
    std::vector<Range> window_;
    std::uint64_t delivered_ = 0;
    bool concluded_ = false;
    std::vector<gatherer::Event> answers_;
    Spent spent_;
};

}  // namespace fanfold::bench
