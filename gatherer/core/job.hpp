// What the core knows of one job. Included by the core's own files alone.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "gatherer/core/collector.hpp"
#include "gatherer/core/core.hpp"

namespace fanfold::gatherer {

/// A job's life here goes through these in order, and may leave out the second.
enum class Phase : std::uint8_t {
    gathering,  // results are stored and confirmed
    proposed,   // its policy has spoken, and the broker has not answered: nothing more is stored,
                // nobody is told
    ended,      // the outcome is final, collectors hear of it
};

/// What one job takes.
struct Core::Accounted {
    std::uint64_t held = 0;    // bytes not let go of, in memory or not
    std::uint64_t memory = 0;  // of them in memory
    std::uint64_t bodies = 0;  // of those, what can be spilled
};

struct Core::Job {
    Job(JobId job_id, wire::JobSpec spec) : id(job_id), assembly(std::move(spec)) {}

    JobId id;
    Assembly assembly;
    std::string user;  // whose it is; empty without keys
    std::uint32_t assignment = 0;
    std::uint32_t round = 0;        // how often it was retried
    std::uint64_t round_start = 0;  // failures stored before this sequence are of earlier rounds
    Phase phase = Phase::gathering;
    Verdict verdict;                     // once proposed
    std::vector<wire::Missing> missing;  // once ended
    bool answered = false;               // the broker has told the outcome
    bool orphaned = false;               // the broker that knew it lost its memory
    bool lost = false;     // it ends because its values can't be kept, and they are let go then
    std::string damage;    // a value can't be read back, and why: nobody is shown less, collectors
                           // are refused
    RangeSet late;         // fragments that came after the verdict
    RangeSet unconfirmed;  // received, and not yet told to the broker
    std::uint32_t unconfirmed_runs = 0;
    std::uint64_t told_held_bytes = 0;  // in the last Gathered
    Accounted accounted;                // its part of the core's books
    std::map<PeerId, Collector> collectors;
    Time opened{};
    Time asked{};                   // when the broker was last asked whether the job still runs
    std::uint64_t assigned_at = 0;  // the same, in milliseconds since 1970
    std::uint64_t orphaned_at = 0;  // likewise
    std::vector<std::pair<Row, std::uint64_t>>
        stale;  // rows of earlier rounds that are read, and to be erased
    std::vector<std::uint64_t>
        let_go;  // sequences of entries that are freed, and still in the store
    std::uint64_t let_go_bytes = 0;
};

/// What is on disk of a round that is over.
struct Core::OldRound {
    explicit OldRound(const Job& job);

    std::uint64_t assigned_at = 0;
    std::uint32_t round = 0;
    std::uint64_t orphaned_at = 0;
    std::vector<std::uint64_t> let_go;    // numbers of rows
    std::vector<std::uint64_t> failures;  // sequences of entries
};

}  // namespace fanfold::gatherer
