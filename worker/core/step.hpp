// One step of the worker's core, as its parts see it. A plain value, handed from one to the next.
#pragma once

#include <utility>
#include <vector>

#include "worker/core/done_batch.hpp"
#include "worker/core/events.hpp"

namespace fanfold::worker {

struct Step {
    Time now;
    std::vector<Action>& actions;
    DoneBatch& done;  // what the broker is still to be told

    void act(Action action) { actions.push_back(std::move(action)); }
};

}  // namespace fanfold::worker
