// Results that workers can't push to their gatherer go through the broker, a few at a time. Who
// finds no room, or whose gatherer is away, hears Marked once there is a way: until then it sends
// nothing again. Owned by the core's thread.
//
// Invariants: what is on its way to a gatherer is limits::relayed_bytes or one run of values, and
// nothing is on its way to one that is away; whoever waits is here.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "broker/state/job.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/session.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Relays {
public:
    explicit Relays(const Owners& owners) : owners_(owners) {}

    void take(Step& step, Received& event);
    /// The gatherer has had this run, and what was sent to it before.
    void answered(Step& step, const Session& gatherer, const wire::Marked& marked);
    /// The gatherer is here, over a new connection.
    void begin(Step& step, const Session& gatherer);
    /// What was on its way to the gatherer will not come.
    void lose(const Session& gatherer);
    void forget_worker(const PeerId& worker);
    /// Who was woken may have nothing to send any more: then it is another's turn.
    void sweep(Step& step);

    void check_invariants() const;

private:
    struct Run {
        PeerId worker;
        JobId job;
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
    };
    struct Way {
        std::deque<Run> sent;  // in their order
        std::uint64_t bytes = 0;
        std::map<PeerId, Run> waiting;  // by worker, the last of each
        PeerId woken;                   // the last one
    };
    enum class Fate : std::uint8_t { sent, waits, refused };
    Fate send(Step& step, Received& event);
    void wake_next(Step& step, Way& way);

    std::map<std::string, Way> ways_;  // by the gatherer's name
    const Owners& owners_;
};

}  // namespace fanfold::broker
