// Jobs that are handed over to another gatherer, by way of the broker, as the rows in which they
// are kept: the small ones, every entry, those of the end. Until it is told otherwise the job's
// time stands still, and what comes for it is dropped unconfirmed, so that its sender keeps it.
// Owned by the gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - a job that is leaving is here, and no other;
// - what is on its way is within limits::handed_bytes, or one row.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gatherer/core/outcomes.hpp"

namespace fanfold::gatherer {

class Giving {
public:
    struct Parts {
        Outcomes& outcomes;
        Memory& memory;
        BrokerLink& broker;
        Persistence& persistence;
    };
    explicit Giving(Parts parts) : parts_(parts) {}

    std::vector<JobId> all() const;
    bool gives(const JobId& job) const { return handings_.contains(job); }
    /// The broker is told why a job can't be handed over. Null: there is none.
    void begin(Step& step, Job* job, const wire::HandOver& order);
    void on_taken(Step& step, Job& job, const wire::RowTaken& taken);
    /// Sends what there is room for.
    void pump(Step& step, Job& job);
    /// The job is not handed over, after all. False: it was not.
    bool end(Job& job);
    void check_invariants(const JobTable& jobs) const;

private:
    struct Sent {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
        std::uint64_t position = 0;  // of the collector once it has come; 0: it is no entry
    };
    struct Handing {
        std::uint64_t handing = 0;    // the broker's number
        std::deque<Record> before{};  // rows that are still to be sent
        std::deque<Record> behind{};
        std::uint64_t number = 0;  // of the last that was sent
        std::uint64_t bytes = 0;   // on their way
        std::deque<Sent> sent{};
        bool said_last = false;
    };
    static bool has_room(const Handing& handing) { return handing.bytes < limits::handed_bytes; }
    void send(Step& step, Handing& handing, Record row, std::uint64_t position = 0);
    void send_all(Step& step, Handing& handing, std::deque<Record>& rows);
    bool send_entries(Step& step, Job& job, Handing& handing);

    Parts parts_;
    std::map<JobId, Handing> handings_;
};

}  // namespace fanfold::gatherer
