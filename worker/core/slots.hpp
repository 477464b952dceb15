// The worker's slots: which task runs in each, what of it is still wanted, and what the broker
// recalls of it. Owned by Work, on the core's thread.
//
// A stuck slot may be replaced: there are some more places for tasks than slots, of which the next
// one takes its place. Once these are used up a slot that gets stuck is lost until a handler
// returns.
//
// Invariants: a free place has nothing open; nothing is open in a stuck one; no more tasks run than
// there are slots, those that are stuck aside; what is recalled of a task is remembered only while
// a Trim of it is not answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "shared/base/range_set.hpp"
#include "worker/core/chunk.hpp"
#include "worker/core/step.hpp"

namespace fanfold::worker {

class Slots {
public:
    Slots(std::uint32_t count, std::uint32_t spares) : count_(count), slots_(count + spares) {}

    bool has_free() const { return busy() < slots_.size() && busy() - stuck() < count_; }
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
    /// Slots that are stuck and not replaced.
    std::uint32_t lost() const;
    /// All places for tasks.
    std::size_t places() const { return slots_.size(); }
    bool all_stuck() const { return stuck() == slots_.size(); }
    /// The functions of those that are stuck.
    std::set<std::string> stuck_functions() const;

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

    std::uint32_t count_;
    std::vector<Slot> slots_;  // these, and those that replace stuck ones
    std::uint64_t last_task_ = 0;
    std::uint32_t trims_ = 0;  // of all tasks, those that are over included
};

}  // namespace fanfold::worker
