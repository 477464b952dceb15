// Writes the rows of each change of a job. Owned by the gatherer's core, on its thread.
//
// Whatever is written, every cut leaves rows that the next life makes good: first comes what is
// true from now on, then the erasing. Without a store nothing is written.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "gatherer/core/events.hpp"
#include "gatherer/core/job.hpp"
#include "gatherer/core/rows.hpp"

namespace fanfold::gatherer {

class Persistence {
public:
    struct Options {
        bool durable = false;
        /// What the wall clock read, since 1970, when the steady clock read zero.
        std::chrono::milliseconds steady_began{0};
    };
    explicit Persistence(Options options) : options_(options) {}

    bool durable() const { return options_.durable; }
    /// The store can't write now. Nothing is sent while that is so.
    bool troubled() const { return !trouble_.empty(); }
    /// Why it can't, for people.
    const std::string& trouble() const { return trouble_; }
    /// Of bodies that are not on disk yet.
    std::uint64_t waiting_bytes() const { return waiting_bytes_; }
    void on_committed(const Committed& event) { waiting_bytes_ = event.waiting_bytes; }
    /// True when the store can write again.
    bool on_trouble(Step& step, const StoreTrouble& event);

    wire::Milliseconds since_1970(Time time) const;
    /// Past all that an earlier life can have used.
    std::uint64_t first_sequence(Time now) const;
    Time time_of(wire::Milliseconds since_1970) const;

    void put_broker(Step& step, const Epoch& epoch);
    void put_job(Step& step, const Job& job);
    void put_entries(Step& step, const Job& job, std::uint64_t from_sequence);
    void put_proposal(Step& step, const Job& job);
    void put_outcome(Step& step, const Job& job);
    void put_answered(Step& step, const Job& job, wire::Outcome outcome);
    void put_orphaned(Step& step, const Job& job);

    /// The entry is about to be freed in memory; put_let_go() does the same on disk.
    void note_let_go(Job& job, const Entry& entry);
    /// Once there is enough of it, or at once.
    void put_let_go(Step& step, Job& job, bool at_once = false);

    /// The rows that mean nothing once another round has begun. To be asked before it begins.
    std::vector<RowName> rows_of_round(const Job& job) const;
    /// A round has begun; `old` is of the one before.
    void put_round(Step& step, const Job& job, const std::vector<RowName>& old);

    /// The rows of a job as it is now, but for its entries, in the order in which they are read:
    /// those that come before entries, and those behind. By its row, the job is one of assignment
    /// 0: not whole yet.
    struct Snapshot {
        std::vector<Record> before{};
        std::vector<Record> behind{};
    };
    Snapshot snapshot(const Job& job) const;
    /// A row of another gatherer's.
    void put(Step& step, Record record);

    void erase(Step& step, const JobId& job, const std::vector<RowName>& rows);
    void erase_job(Step& step, const JobId& job);

private:
    template <class T>
    void put(Step& step, const JobId& job, std::uint64_t number, const T& row, Slice body = {});
    JobRow row_of(const Job& job) const;

    Options options_;
    std::uint64_t waiting_bytes_ = 0;
    std::string trouble_;
};

}  // namespace fanfold::gatherer
