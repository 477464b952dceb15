// One job, as the parts that its owners hold of it. Each part is written by one class alone: the
// assembly and the life by their own methods, the others by the friend that they name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gatherer/core/assembly.hpp"
#include "gatherer/core/collector.hpp"
#include "gatherer/core/life.hpp"

namespace fanfold::gatherer {

/// What is received and not yet confirmed to the broker.
class Unconfirmed {
    friend class Confirmations;
    RangeSet ranges;
    std::uint32_t runs = 0;
    std::uint64_t sent_held_bytes = 0;  // in the last Gathered
};

/// What the job takes, as counted in the sums over all jobs.
class MemoryShare {
    friend class Memory;
    std::uint64_t held = 0;    // bytes not let go of, in memory or not
    std::uint64_t memory = 0;  // of them in memory
    std::uint64_t bodies = 0;  // of those, what can be spilled
};

/// Entries that are freed in memory and still in the store.
class LetGoing {
    friend class Persistence;
    std::vector<std::uint64_t> sequences;
    std::uint64_t bytes = 0;
};

struct Job {
    struct Start {
        JobId id;
        std::string user;  // whose it is; empty without keys
        wire::JobSpec spec;
        Life::Round round;
    };
    explicit Job(Start start)
        : id(start.id),
          user(std::move(start.user)),
          assembly(std::move(start.spec)),
          life(start.round) {}

    const JobId id;
    std::string user;
    Assembly assembly;
    Life life;
    std::map<PeerId, Collector> collectors;  // written by Collecting
    Unconfirmed unconfirmed;
    MemoryShare share;
    LetGoing let_going;
    /// Set while the job is handed over to another gatherer, which gets its entries like a client
    /// that collects them. Nothing of the job changes meanwhile. Written by Giving.
    std::optional<Collector> giving;
    bool is_leaving() const { return giving.has_value(); }
};

using JobTable = std::map<JobId, std::unique_ptr<Job>>;

}  // namespace fanfold::gatherer
