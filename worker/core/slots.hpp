// The worker's slots: which task runs in each, what of it is still wanted, and what the broker
// recalls of it. Owned by Work, on the core's thread.
//
// A handler that waits for an inner job lends its thread to a fragment of that (its guest), which
// takes no slot. A guest may wait in its turn.
//
// A stuck slot may be replaced: there are some more places for tasks than slots, of which the next
// one takes its place. Once these are used up a slot that gets stuck is lost until a handler
// returns.
//
// Invariants: a free place has nothing open; nothing is open in a stuck one; no more tasks run than
// there are slots, guests and those that are stuck aside; a host has one guest; what is recalled of
// a task is remembered only while a Trim of it is not answered.
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
    Slots(std::uint32_t count, std::uint32_t spares)
        : count_(count), places_(count + spares), slots_(places_) {}

    bool has_free() const { return busy() < places_ && busy() - stuck() < count_; }
    /// Runs the chunk in the first free slot, which must be there.
    void start(Step& step, Chunk chunk, const wire::JobSpec& spec);

    /// The handler of the task waits for an inner job, or goes on.
    void set_waiting(const Waits& event);
    /// Whether the thread of any is free for a guest.
    bool any_waiting() const;
    /// The slot whose handler waits for a job with this specification, or for one that this is part
    /// of, if its thread is free for it.
    std::optional<SlotId> host_for(const wire::JobSpec& spec) const;
    /// Runs the chunk on the thread of that handler.
    void start_guest(Step& step, Chunk chunk, const wire::JobSpec& spec, SlotId host);
    /// Whether the job is part of a fragment that runs here.
    bool has_outer_of(const wire::JobSpec& spec) const;

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

    /// Slots that run a task.
    std::uint32_t busy() const;
    /// Slots whose handler, or a guest on whose thread, is stuck.
    std::uint32_t stuck() const;
    /// Slots that are stuck and not replaced.
    std::uint32_t lost() const;
    /// All places for tasks but for guests.
    std::uint32_t places() const { return places_; }
    bool all_stuck() const { return stuck() == places_; }
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
        bool stuck = false;                // its handler overran, and has not returned yet
        RangeSet recalled;                 // of `open`
        std::uint32_t trims = 0;           // not answered yet
        bool waits = false;                // its handler, for an inner job
        std::optional<SlotId> host = {};   // of a guest
        std::optional<SlotId> guest = {};  // of a host
        bool runs(const wire::OuterAttempt& attempt) const;
    };

    Slot* find(std::uint64_t task);
    void start(Step& step, SlotId place, Chunk chunk, const wire::JobSpec& spec);
    std::uint32_t hosts_of(const Slot& slot) const;
    static Unbegun split(const Slot& slot, RangeSet unbegun);

    std::uint32_t count_;
    std::uint32_t places_;     // these, and those that replace stuck ones
    std::vector<Slot> slots_;  // these, and behind them those of guests
    std::uint64_t last_task_ = 0;
    std::uint32_t trims_ = 0;  // of all tasks, those that are over included
};

/// Why the worker leaves when all its slots are stuck, and it has no spare ones.
std::string all_stuck_text(const Slots& slots);
/// Why a fragment fails when all its threads are.
std::string not_run_text(const Slots& slots);

}  // namespace fanfold::worker
