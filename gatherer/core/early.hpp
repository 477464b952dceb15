// What arrives before its job is assigned: results that overtook the assignment, and collectors
// that were quicker than the broker. Bounded by bytes, by count and by time. Owned by the
// gatherer's core, on its thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "shared/events/events.hpp"

namespace fanfold::gatherer {

struct EarlyResults {
    wire::Results results;
    Slice body;
};

struct EarlyCollect {
    PeerId peer;
    wire::Collect collect;
    Sender sender = {};
};

class Early {
public:
    /// Results that make sense in themselves; false when there is no room for them.
    bool add(Time now, const wire::Results& results, const Slice& body);
    /// Another Collect of the same peer for the same job takes the place of the first, and waits no
    /// longer than it.
    bool add(Time now, const EarlyCollect& early);

    struct Taken {
        std::vector<EarlyResults> results;  // in the order of their coming
        std::vector<EarlyCollect> collects;
    };
    /// The job is known now: everything that waited for it, but for collectors that may not have
    /// it: those wait in vain.
    Taken take(const JobId& job, const std::function<bool(const Sender&)>& may_collect);

    struct Expired {
        std::vector<std::pair<JobId, std::uint64_t>>
            results;  // the jobs, each with the number of messages dropped
        std::vector<EarlyCollect> collects;
    };
    /// Takes out what has waited for limits::early_patience.
    Expired expire(Time now);
    void drop(const PeerId& peer);
    bool has_results(const JobId& job) const {
        auto at = jobs_.find(job);
        return at != jobs_.end() && !at->second.results.empty();
    }

    /// When something may have waited too long.
    std::optional<Time> next() const;
    std::uint64_t bytes() const { return bytes_; }
    void check_invariants() const;

private:
    struct Waiting {
        wire::Collect collect;
        Sender sender;
        Time until;
    };
    struct Job {
        std::vector<EarlyResults> results;
        Time results_until;
        std::map<PeerId, Waiting> collects;
    };

    void drop_results(Job& job);
    void erase_if_empty(const JobId& job);

    std::map<JobId, Job> jobs_;
    std::deque<std::pair<Time, JobId>> due_;  // ascending; a job may be gone when its turn comes
    std::uint64_t bytes_ = 0;
    std::size_t collects_ = 0;
};

}  // namespace fanfold::gatherer
