// What the broker writes of its jobs, row by row, if it has a store. core/restoring.hpp reads it
// back. Owned by the core's thread.
#pragma once

#include <chrono>
#include <vector>

#include "broker/state/job.hpp"
#include "broker/state/rows.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Persistence {
public:
    explicit Persistence(const Options& options) : options_(options) {}

    void opened(Step& step, Job& job);
    void located(Step& step, const Job& job);
    void block(Step& step, const wire::Block& block, const Slice& body);
    void accepted(Step& step, const Job& job);
    void sealed(Step& step, const Job& job);
    void error(Step& step, const Job& job, const FinalError& error);
    void erase_errors(Step& step, const JobId& job, const std::vector<Range>& ranges);
    /// How often it was tried counts for ever.
    void tried(Step& step, Job& job, const std::vector<Struck>& struck);
    /// Few rows, however many results came. Of the blocks nothing is needed any more.
    void safe(Step& step, Job& job, const std::vector<Index>& freed_blocks);
    void shared(Step& step, const Job& job);
    /// What only a running job needs is let go of; what a retry would need stays.
    void ended(Step& step, Job& job, const std::vector<Index>& freed_blocks);
    /// Every cut leaves a job that has ended as before, or that runs again.
    void retried(Step& step, Job& job, const std::vector<Range>& failed);
    void forgotten(Step& step, const JobId& job, const wire::GathererRef& gatherer);
    void erase(Step& step, const JobId& job);
    void fetch_block(Step& step, const Job& job, Index first);
    void fetch_error(Step& step, const Job& job, Index index);

    bool durable() const { return options_.durable; }
    void committed(const Committed& event) { waiting_bytes_ = event.waiting_bytes; }
    /// Of payloads that wait to be written.
    std::uint64_t waiting_bytes() const { return waiting_bytes_; }
    std::uint64_t since_1970(Time moment) const;
    /// The same moment on the clock of this life; not after its start, whatever the machine's clock
    /// did meanwhile.
    Time moment_of(std::uint64_t since_1970) const;

private:
    template <class Row>
    void put(Step& step, const JobId& job, std::uint64_t number, const Row& row, Slice body = {});
    void erase_row(Step& step, const JobId& job, rows::Kind kind, std::uint64_t number);

    const Options& options_;
    std::uint64_t waiting_bytes_ = 0;
};

}  // namespace fanfold::broker
