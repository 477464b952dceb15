// The chunks that the worker has on loan, from their dispatch until each fragment has ended, gone
// back to the broker, or is not wanted any more. Owned by the core, on its thread. What becomes of
// fragments without a value goes into the step's DoneBatch.
//
// Invariants (check_invariants()): a fragment that is held is in exactly one task, or in the queue.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "worker/core/briefs.hpp"
#include "worker/core/slots.hpp"

namespace fanfold::worker {

class Work {
public:
    struct Options {
        std::uint32_t slots = 1;
        std::uint32_t spare_slots = 0;       // that replace stuck ones
        std::string worker;                  // its name, for failures
        std::vector<std::string> functions;  // that it offers
    };
    explicit Work(Options options);

    /// Takes a chunk of the broker's, but for what is here already: held, or kept as a result.
    void take(Step& step, const Chunk& chunk, const wire::JobSpec& spec, const RangeSet& kept);
    /// Fragments that this worker does not want go back unstarted.
    void give_back(Step& step, const JobId& job, Range range, const char* why);
    void give_back_queue(Step& step, const char* why);
    /// The same, but for what handlers here wait for, without which they would not end.
    void give_back_unneeded(Step& step, const Briefs& briefs, const char* why);
    /// What waits for a slot fails: there is none.
    void fail_queue(Step& step, const std::string& why);
    /// Fills the free slots; or, when there is no room for results, starts nothing, and gives back
    /// what waits for long.
    void start_tasks(Step& step, const Briefs& briefs, bool room);

    /// What a task says of itself. Values are stored by the caller: the parts that are wanted.
    Slots::Reported take_values(const Values& event);
    void take_failure(Step& step, Failed& event, const Briefs& briefs);
    void take_finished(Step& step, const Finished& event);
    void take_overrun(Step& step, const Overran& event, const Briefs& briefs);
    void take_trimmed(Step& step, const Trimmed& event);
    void take_waits(const Waits& event) { slots_.set_waiting(event); }

    /// The broker wants nothing of the range any more.
    void release(Step& step, const JobId& job, Range range);
    /// The broker wants the ranges back, as far as they have not begun.
    void recall(Step& step, const wire::Recall& message);
    /// The number of the session's last Recall, once all that it asks for has been given back.
    std::optional<std::uint64_t> obeyed_recall() const;
    /// The broker numbers its Recalls anew.
    void begin_session();

    /// Jobs of which nothing begins: a fragment has failed, and the broker decides what that means.
    /// Each is taken out once the broker has heard of the failure, or the job is over.
    std::set<JobId>& paused() { return paused_; }
    /// Never an empty set.
    const std::map<JobId, RangeSet>& held() const { return held_; }
    const Slots& slots() const { return slots_; }
    Time next_wakeup() const;
    void check_invariants() const;

private:
    void queue_parts(Step& step, const Chunk& chunk, const std::vector<Range>& parts, bool front);
    std::vector<Range> cut_queue(Step& step, const JobId& job, Range range);
    void pause(Step& step, const JobId& job);
    void give_up(Step& step, const Slots::Unbegun& unbegun);
    void give_recalled(Step& step, const JobId& job, const std::vector<Range>& ranges);
    void fail(Step& step, const Chunk& chunk, Range part, const std::string& why);
    void hold_no_more(const JobId& job, Range range);
    void start_guests(Step& step, const Briefs& briefs);

    Options options_;
    std::map<JobId, RangeSet> held_;
    std::deque<Chunk> queue_;
    Slots slots_;
    std::uint64_t recall_ = 0;  // the highest number of this session's Recalls
    std::set<JobId> paused_;
    std::optional<Time> full_since_;
};

}  // namespace fanfold::worker
