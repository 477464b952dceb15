// Jobs that come from another gatherer, row by row, as a start reads them from the store. They are
// not in the table of jobs until the broker assigns them to this gatherer. One that is not whole by
// then, or when the session ends, is dropped. In the store it has assignment 0 until it is whole; a
// start drops it, too. Owned by the gatherer's core, on its thread.
//
// Invariant (checked by check_invariants()): each job that is coming has a row, and is in the
// table.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gatherer/core/broker_link.hpp"
#include "gatherer/core/restoring.hpp"

namespace fanfold::gatherer {

class Taking {
public:
    Taking(Memory& memory, BrokerLink& broker, Persistence& persistence)
        : memory_(memory), broker_(broker), persistence_(persistence) {}

    const JobTable& all() const { return jobs_; }
    void on_row(Step& step, wire::HandedRow row, Slice body);
    /// It will not come.
    void drop(Step& step, const JobId& job);
    /// The job, if it is whole; else null, and nothing is left of it.
    std::unique_ptr<Job> take(Step& step, const JobId& job);
    /// All that are whole, as the session has ended.
    std::vector<std::unique_ptr<Job>> take_all(Step& step);
    void check_invariants() const;

private:
    struct Coming {
        std::uint64_t handing = 0;  // the broker's number
        std::uint64_t number = 0;   // of the last row
        std::uint64_t bytes = 0;    // since the broker was told of one
        std::uint32_t rows = 0;     // likewise
        bool whole = false;
    };
    std::string take_row(Step& step, wire::HandedRow& row, Slice body);
    std::string finish(Step& step, const wire::HandedRow& last);

    Memory& memory_;
    BrokerLink& broker_;
    Persistence& persistence_;
    std::map<JobId, Coming> coming_;
    JobTable jobs_;
};

}  // namespace fanfold::gatherer
