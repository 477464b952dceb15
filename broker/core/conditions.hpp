// What peers say of how they are, and of whom they can't reach: the log and the clients hear when
// that changes. Owned by the core's thread; the sessions have what was said last.
#pragma once

#include <vector>

#include "broker/state/owners.hpp"
#include "broker/state/session.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Conditions {
public:
    explicit Conditions(const Owners& owners) : owners_(owners) {}

    /// Of a gatherer: whether it can store what it gathers, and whether it is drained.
    void on_heartbeat(Step& step, const PeerId& from, const wire::Heartbeat& heartbeat);
    /// Which gatherers a worker or a client can't reach. True when that has changed.
    bool on_unreached(Step& step, Session& session, std::vector<wire::Unreached> unreached);

private:
    const Owners& owners_;
};

}  // namespace fanfold::broker
