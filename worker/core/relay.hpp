// Kept results whose gatherer can't be reached go to it by way of the broker, in their order, as
// many at a time as the broker takes. Owned by the worker's core, on its thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/core/briefs.hpp"
#include "worker/core/results.hpp"

namespace fanfold::worker {

class Relay {
public:
    /// Nothing is on its way. A credit of 0: this broker passes nothing on.
    void begin_session(std::uint64_t credit) { credit_ = credit, sent_.reset(); }
    /// Unless some are on their way, or the last were turned down just now.
    void send(Step& step, const Results& results, const Briefs& briefs,
              const std::vector<wire::Unreached>& walls);
    /// What came of those that were sent has been told before. False: the Mark was another's.
    bool on_marked(Time now, const wire::Marked& marked, const Results& results);

private:
    /// Numbers from here on are of Marks that travel with a relay.
    static constexpr std::uint64_t first_number = std::uint64_t{1} << 63;
    struct Sent {
        JobId job;
        Index first = 0;
    };
    std::uint64_t credit_ = 0;
    std::uint64_t number_ = first_number;  // the last one
    std::optional<Sent> sent_;
    JobId last_{};  // the job whose turn it was
    Time not_before_{};
};

}  // namespace fanfold::worker
