// Jobs that go from one gatherer to another, as the first one is to be emptied (drained): the rows
// that it keeps of each pass through here, one job of a gatherer at a time. The job is the first
// one's until the other has all of it safe; then it is assigned to that, and the first one forgets
// it. Whatever happens before leaves the job where it was. Owned by the core's thread.
//
// Invariants (checked by check_invariants()): both gatherers of a move are here; a running job that
// moves is marked so.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "broker/core/reconciling.hpp"
#include "broker/state/owners.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Moves {
public:
    Moves(const Owners& owners, Reconciling& reconciling)
        : owners_(owners), reconciling_(reconciling) {}

    void on_drain(Step& step, const PeerId& client, const wire::Drain& drain);
    /// A part of what it sends has come.
    void hear(const Step& step, const PeerId& gatherer);
    void on_row(Step& step, const PeerId& from, wire::HandedRow row, Slice body);
    void on_taken(Step& step, const PeerId& from, wire::RowTaken taken);
    /// Why the gatherer's jobs stay where they are, for people; empty: they go, or are gone.
    std::string why_staying(const PeerId& gatherer) const;
    void lose(Step& step, const PeerId& gatherer);
    void sweep(Step& step);
    void check_invariants() const;

private:
    /// What must not have changed once the other gatherer has all of the job.
    struct State {
        bool running = false;
        std::uint32_t assignment = 0;
        std::uint32_t round = 0;
        std::optional<std::uint64_t> total;
        bool operator==(const State&) const = default;
    };
    struct Row {
        std::uint64_t number = 0;
        std::uint64_t bytes = 0;
    };
    struct Move {
        JobId job;
        PeerId to;
        std::uint64_t number = 0;  // HandOver::number
        std::uint64_t last = 0;    // number of the last row, once it has come
        State state{};
        LivedTime heard{};
        std::deque<Row> rows{};   // on their way to the other gatherer
        std::uint64_t bytes = 0;  // of those
    };
    /// How far one that is drained was looked through for jobs.
    struct Search {
        JobId last{};
        LivedTime again_at{};
    };
    using All = std::map<PeerId, Move>;  // by the gatherer that has the job
    static State state_of(const Job& job);
    Job* next_job(const PeerId& gatherer, LivedTime lived);
    void begin(Step& step, const PeerId& gatherer);
    void complete(Step& step, All::iterator move);
    void abort(Step& step, All::iterator move, const std::string& why = {});
    All::iterator find(const PeerId& peer, const JobId& job, std::uint64_t number);

    const Owners& owners_;
    Reconciling& reconciling_;
    All moves_;
    std::map<PeerId, Search> searches_;
    std::map<JobId, LivedTime> rests_;  // could not be moved, and are not tried before
    std::uint64_t numbers_ = 0;
};

}  // namespace fanfold::broker
