// What the core knows of one job. Included by the core's own files alone.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gatherer/collector.hpp"
#include "gatherer/core.hpp"

namespace fanfold::gatherer {

/// A job's life here goes through these in order, and may leave out the second.
enum class Phase : std::uint8_t {
    gathering,  // results are stored and confirmed
    proposed,   // its policy has spoken, and the broker has not answered: nothing more is stored, nobody is told
    ended,      // the outcome is final, collectors hear of it
};

struct Core::Job {
    Job(JobId job_id, wire::JobSpec spec) : id(job_id), assembly(std::move(spec)) {}

    JobId id;
    Assembly assembly;
    std::uint32_t assignment = 0;
    Phase phase = Phase::gathering;
    Verdict verdict;                     // once proposed
    std::vector<wire::Missing> missing;  // once ended
    bool answered = false;               // the broker has told the outcome
    bool orphaned = false;               // the broker that knew it lost its memory
    bool over_memory = false;            // it ends because memory is full, and is let go then
    RangeSet late;                       // fragments that came after the verdict
    RangeSet unconfirmed;                // received, and not yet told to the broker
    std::uint32_t unconfirmed_runs = 0;
    std::uint64_t told_held_bytes = 0;  // in the last Gathered
    std::uint64_t accounted_bytes = 0;  // its part of the core's held_bytes_
    std::map<PeerId, Collector> collectors;
    Time opened{};
    Time asked{};                       // when the broker was last asked whether the job still runs
    std::uint64_t assigned_at = 0;      // the same, in milliseconds since 1970
    std::vector<std::uint64_t> let_go;  // sequences of entries that are freed, and still in the store
    std::uint64_t let_go_bytes = 0;
};

}  // namespace fanfold::gatherer
