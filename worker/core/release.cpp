// The worker's core, the part about letting go: what is released or dropped, and what the broker
// recalls.
#include <deque>
#include <limits>
#include <utility>

#include "worker/core/core.hpp"

namespace fanfold::worker {

// --- not wanted any more
// ----------------------------------------------------------------------------------------

void Core::on_message(wire::Release& message, Slice&) {
    for (const wire::JobRanges& item : message.items) {
        Job* job = job_of(item.job);
        if (job == nullptr) continue;
        for (Range range : item.ranges) release(item.job, *job, range);
        note({.level = Level::trace,
              .what = "released",
              .job = item.job,
              .range = item.ranges.empty()
                           ? Range{}
                           : Range{item.ranges.front().begin, item.ranges.back().end}});
    }
}

void Core::release(const JobId& id, Job& job, Range range) {
    count_kept(job, false);
    job.kept.release(range, now_);
    count_kept(job, true);
    if (job.held.within(range).empty()) return;
    cut_queue(id, job, range);
    for (Slot& slot : slots_) {
        if (slot.task && slot.chunk.job == id && slot.open.remove(range) > 0)
            stop_if_unwanted(slot);
    }
    job.held.remove(range);
}

/// Takes the range out of what waits for a slot; returns what was there of it.
std::vector<Range> Core::cut_queue(const JobId& id, Job& job, Range range) {
    std::vector<Range> taken;
    std::deque<Chunk> before;
    before.swap(queue_);
    for (Chunk& chunk : before) {
        if (chunk.job != id || overlap(chunk.range, range).empty()) {
            queue_.push_back(std::move(chunk));
            continue;
        }
        taken.push_back(overlap(chunk.range, range));
        RangeSet left({chunk.range});
        left.remove(range);
        queue_parts(job, chunk, left.ranges(), false);
    }
    return taken;
}

/// A task is stopped when nothing more is wanted of it. One of which something is wanted runs on,
/// and the rest is ignored.
void Core::stop_if_unwanted(Slot& slot) {
    if (!slot.open.empty()) return;
    note({.level = Level::debug,
          .what = "chunk stopped, it is not wanted any more",
          .job = slot.chunk.job,
          .range = slot.chunk.range,
          .attempt = slot.chunk.attempt});
    actions_->push_back(Stop{*slot.task});
}

void Core::on_message(wire::Drop& message, Slice&) {
    Job* job = job_of(message.job);
    if (job == nullptr) return;
    note({.level = Level::debug, .what = "job dropped", .job = message.job});
    release(message.job, *job, {0, std::numeric_limits<Index>::max()});
    jobs_.erase(message.job);
}

// --- recalled
// ---------------------------------------------------------------------------------------------------

void Core::on_message(wire::Recall& message, Slice&) {
    if (phase_ != Phase::standing || message.number <= recall_) {
        note({.level = Level::debug, .what = "recall ignored, its number is past"});
        return;
    }
    recall_ = message.number;
    for (const wire::JobRanges& item : message.items) {
        Job* job = job_of(item.job);
        if (job == nullptr) continue;
        for (Range range : item.ranges) recall(item.job, *job, cut_queue(item.job, *job, range));
        for (SlotId id = 0; id < slots_.size(); ++id) {
            if (slots_[id].task && slots_[id].chunk.job == item.job) recall_from(id, item.ranges);
        }
    }
}

/// Asks the executor for what a task has not begun of the ranges.
void Core::recall_from(SlotId id, const std::vector<Range>& ranges) {
    Slot& slot = slots_[id];
    RangeSet asked;
    for (Range range : ranges) {
        for (Range part : slot.open.within(range)) asked.add(part);
    }
    if (asked.empty()) return;
    for (Range part : asked.ranges()) slot.recalled.add(part);
    ++slot.trims;
    ++trims_;
    actions_->push_back(Trim{.task = *slot.task, .from = asked.front()->begin});
}

/// Fragments that are in no task and not in the queue any more go back to the broker, which has
/// asked for them.
void Core::recall(const JobId& id, Job& job, const std::vector<Range>& ranges) {
    for (Range range : ranges) {
        note({.level = Level::debug,
              .what = "fragments given back, the broker recalls them",
              .job = id,
              .range = range});
        job.held.remove(range);
        done_.recalled(id, range);
    }
}

void Core::on_event(Trimmed& event) {
    FANFOLD_CHECK(trims_ > 0);
    --trims_;
    Slot* slot = slot_of(event.task);
    if (slot == nullptr) return;
    RangeSet unbegun(slot->open.within(event.range));
    slot->open.remove(event.range);
    let_go(*slot, std::move(unbegun));
    if (--slot->trims == 0) slot->recalled.clear();
}

/// What a task will not run goes back to the broker, as far as a Recall asks for it; the rest runs
/// again, first of all.
void Core::let_go(const Slot& slot, RangeSet unbegun) {
    if (unbegun.empty()) return;
    const JobId& id = slot.chunk.job;
    Job& job = *job_of(id);
    for (Range asked : slot.recalled.ranges()) {
        recall(id, job, unbegun.within(asked));
        unbegun.remove(asked);
    }
    queue_parts(job, slot.chunk, unbegun.ranges(), true);
}

}  // namespace fanfold::worker
