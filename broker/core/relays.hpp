// Results that workers can't push to their gatherer go through the broker, a few at a time. What
// exceeds that is dropped: the worker is told Marked at once, and sends it again. Owned by the
// core's thread.
//
// Invariant: what is on its way to a gatherer is limits::relayed_bytes or one run of values.
#pragma once

#include <cstdint>
#include <deque>
#include <map>

#include "broker/state/job.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/step.hpp"
#include "shared/base/slice.hpp"

namespace fanfold::broker {

class Relays {
public:
    explicit Relays(const Owners& owners) : owners_(owners) {}

    void take(Step& step, Received& event);
    /// The gatherer has had it, and what was sent to it before.
    void answered(const PeerId& gatherer, const wire::Marked& marked);
    /// What was on its way will not come.
    void lose(Step& step, const PeerId& gatherer);

    void check_invariants() const;

private:
    struct Run {
        PeerId worker;
        JobId job;
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
    };
    struct Relayed {
        std::deque<Run> runs;  // in their order
        std::uint64_t bytes = 0;
    };
    bool send(Step& step, Received& event);

    std::map<PeerId, Relayed> relayed_;  // by gatherer
    const Owners& owners_;
};

}  // namespace fanfold::broker
