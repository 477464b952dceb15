// The worker's slots: which task runs in each, what of it is still wanted, and what the broker
// recalls of it. Owned by Work, on the core's thread.
//
// Invariants: a free slot has nothing open; nothing is open in a stuck one; what is recalled of a
// slot is remembered only while a Trim of it is not answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/range_set.hpp"
#include "worker/core/chunk.hpp"
#include "worker/core/step.hpp"

namespace fanfold::worker {

class Slots {
public:
    explicit Slots(std::uint32_t count) : slots_(count) {}

    bool has_free() const { return busy() < slots_.size(); }
    /// Runs the chunk in the first free slot, which must be there.
    void start(Step& step, Chunk chunk, const wire::JobSpec& spec);

    /// A task has reported these fragments; those of them that are still wanted are open no more.
    struct Reported {
        JobId job;
        std::uint32_t attempt = 1;
        std::vector<Range> parts;
    };
    Reported report(std::uint64_t task, Range range);

    /// Fragments that a task will not run.
    struct Unbegun {
        Chunk chunk;  // of the task
        RangeSet recalled;
        RangeSet again;  // what nobody recalls
    };
    /// The slot is free again. Nothing when there is no such task.
    std::optional<Unbegun> finish(Step& step, std::uint64_t task);

    struct Overrun {
        bool wanted = false;  // the fragment that overran
        wire::Milliseconds timeout{0};
        Unbegun rest;
    };
    /// The slot is stuck until its task finishes. Nothing when it is so already, or there is no
    /// such task.
    std::optional<Overrun> overrun(Step& step, const Overran& event);

    /// Stops the tasks of which nothing more is wanted. One of which something is wanted runs on,
    /// and what is released of it is ignored.
    void release(Step& step, const JobId& job, Range range);

    /// Asks the executor for what the job's tasks have not begun of the ranges.
    void recall(Step& step, const JobId& job, const std::vector<Range>& ranges);
    /// The answer to one question. Nothing when the task is over.
    std::optional<Unbegun> take_trimmed(const Trimmed& event);
    /// Whether no answer is missing.
    bool recalls_are_answered() const { return trims_ == 0; }
    /// What an earlier session has recalled is recalled no more.
    void begin_session();

    std::uint32_t busy() const;
    std::uint32_t stuck() const;
    std::size_t count() const { return slots_.size(); }
    bool all_stuck() const { return stuck() == slots_.size(); }

    /// Adds what is open, by job; each fragment must be in one task only.
    void check_invariants(std::map<JobId, RangeSet>& found) const;

private:
    struct Slot {
        std::optional<std::uint64_t> task;  // nothing: the slot is free
        Chunk chunk;
        std::string function;
        wire::Milliseconds timeout{0};
        RangeSet open;  // not reported yet, and wanted; empty when the task is stopped or stuck
        Time started{};
        bool stuck = false;       // its handler overran, and has not returned yet
        RangeSet recalled;        // of `open`
        std::uint32_t trims = 0;  // not answered yet
    };

    Slot* find(std::uint64_t task);
    static Unbegun split(const Slot& slot, RangeSet unbegun);

    std::vector<Slot> slots_;
    std::uint64_t last_task_ = 0;
    std::uint32_t trims_ = 0;  // of all tasks, those that are over included
};

}  // namespace fanfold::worker
