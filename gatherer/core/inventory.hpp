// What a gatherer tells a broker that may have forgotten, or that may count as safe what is not
// here: which jobs it has, and all of one that the broker does not know. Owned by the gatherer's
// core, on its thread.
#pragma once

#include "gatherer/core/broker_link.hpp"
#include "gatherer/core/job.hpp"

namespace fanfold::gatherer {

class Inventory {
public:
    explicit Inventory(BrokerLink& broker) : broker_(broker) {}

    /// Whether the broker asks for what it does not know.
    bool is_wanted() const { return broker_.knows_holds(); }
    void say(Step& step, const JobTable& jobs);
    void describe(Step& step, const Job& job);
    /// It is not here any more.
    void deny(Step& step, const JobId& job) { broker_.send(step, wire::Forgotten{.job = job}); }

private:
    BrokerLink& broker_;
};

}  // namespace fanfold::gatherer
