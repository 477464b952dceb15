// One step of the scatterer's core, as its parts see it. A plain value, handed from one to the
// next.
#pragma once

#include <utility>
#include <vector>

#include "scatterer/core/events.hpp"
#include "shared/base/lived_time.hpp"

namespace fanfold::scatterer {

class Session;

struct Step {
    Time now;
    LivedTime lived;
    const Session& session;  // for what a part may send now
    std::vector<Action>& actions;

    void act(Action action) { actions.push_back(std::move(action)); }
    void send(wire::Message message) { act(SendBroker{std::move(message)}); }
};

}  // namespace fanfold::scatterer
