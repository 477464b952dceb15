// Makes the jobs of an earlier life from their rows. A row that can't be read fails its job by
// name: the job ends `failed` with the row's name in the reason. Owned by the gatherer's core until
// its first step, on its thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gatherer/core/memory.hpp"

namespace fanfold::gatherer {

struct Restored {
    JobTable jobs;
    std::optional<Epoch> broker;                  // that was known last
    std::map<JobId, std::vector<RowName>> stale;  // rows of earlier rounds, to be erased
    std::map<JobId, Time> orphaned;
    std::vector<std::string> damage;  // of rows that can't be read, for the log
};

class Restoring {
public:
    Restoring(Memory& memory, const Persistence& persistence)
        : memory_(memory), persistence_(persistence) {}

    /// The next rows are of this job, of which those before were taken.
    void add(JobTable::node_type job) { restored_.jobs.insert(std::move(job)); }
    /// All rows are to come, in the order of the store.
    void take(const Record& record);
    std::uint64_t unreadable() const { return unreadable_; }
    /// Whether any was of an earlier round than its job.
    bool has_stale() const { return !restored_.stale.empty(); }
    Restored finish() { return std::move(restored_); }

private:
    // One for each kind of row; false: it makes no sense.
    bool restore(const Record& record, BrokerRow& row);
    bool restore(const Record& record, JobRow& row);
    bool restore(Job& job, const Record& record, SequenceRow& row);
    bool restore(Job& job, const Record& record, LetGoRow& row);
    bool restore(Job& job, const Record& record, EntryRow& row);
    bool restore(Job& job, const Record& record, ProposalRow& row);
    bool restore(Job& job, const Record& record, OutcomeRow& row);
    bool restore(Job& job, const Record& record, AnsweredRow& row);
    bool restore(Job& job, const Record& record, OrphanedRow& row);
    bool pass_over(const Record& record);
    Job* find(const JobId& id) const;
    void fail_job(const Record& record, const std::string& why);

    Memory& memory_;
    const Persistence& persistence_;
    Restored restored_;
    std::uint64_t unreadable_ = 0;  // rows
};

}  // namespace fanfold::gatherer
