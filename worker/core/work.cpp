#include "worker/core/work.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "shared/base/result.hpp"
#include "shared/base/text.hpp"
#include "shared/wire/tolerance.hpp"
#include "worker/core/text.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

std::string offered(const std::vector<std::string>& functions) {
    if (functions.empty()) return "it offers none";
    std::string text = "it offers ";
    for (std::size_t i = 0; i < functions.size() && i < limits::named_functions; ++i)
        text += (i == 0 ? "" : ", ") + functions[i];
    if (functions.size() > limits::named_functions)
        text += " and " + std::to_string(functions.size() - limits::named_functions) + " more";
    return text;
}

}  // namespace

Work::Work(Options options)
    : options_(std::move(options)), slots_(std::max(options_.slots, 1u), options_.spare_slots) {
    std::sort(options_.functions.begin(), options_.functions.end());
}

// --- on loan

void Work::take(Step& step, const Chunk& chunk, const wire::JobSpec& spec, const RangeSet& kept) {
    auto held = held_.find(chunk.job);
    auto not_held =
        held == held_.end() ? std::vector{chunk.range} : held->second.missing(chunk.range);
    std::vector<Range> fresh;
    for (Range part : not_held) {
        for (Range rest : kept.missing(part)) fresh.push_back(rest);
    }
    step.act(Note{.level = Level::debug,
                  .what = fresh.empty() ? "chunk ignored, it is here already" : "chunk taken",
                  .job = chunk.job,
                  .range = chunk.range,
                  .attempt = chunk.attempt});
    if (std::ranges::binary_search(options_.functions, spec.function)) {
        for (Range part : fresh) held_[chunk.job].add(part);
        queue_parts(step, chunk, fresh, false);
    } else {
        std::string why = "this worker offers no function '" + spec.function + "'; " +
                          offered(options_.functions);
        for (Range part : fresh) fail(step, chunk, part, why);
    }
}

/// Queues parts of a chunk that are held; those whose payloads can't be found in the body fail.
void Work::queue_parts(Step& step, const Chunk& chunk, const std::vector<Range>& parts,
                       bool front) {
    std::vector<Chunk> cut;
    for (Range part : parts) {
        if (auto body = chunk.payloads_of(part)) {
            cut.push_back({chunk.job, part, chunk.attempt, *std::move(body)});
            continue;
        }
        hold_no_more(chunk.job, part);
        fail(step, chunk, part, "the chunk's payloads are not whole MessagePack objects");
    }
    queue_.insert(front ? queue_.begin() : queue_.end(), std::move_iterator(cut.begin()),
                  std::move_iterator(cut.end()));
}

void Work::give_back(Step& step, const JobId& job, Range range, const char* why) {
    step.act(Note{.level = Level::debug,
                  .what = "chunk returned unstarted",
                  .job = job,
                  .range = range,
                  .detail = why});
    step.done.returned(job, range);
}

void Work::give_back_queue(Step& step, const char* why) {
    for (const Chunk& chunk : queue_) {
        hold_no_more(chunk.job, chunk.range);
        give_back(step, chunk.job, chunk.range, why);
    }
    queue_.clear();
}

void Work::give_back_unneeded(Step& step, const Briefs& briefs, const char* why) {
    auto needed = std::stable_partition(queue_.begin(), queue_.end(), [&](const Chunk& chunk) {
        return !slots_.has_outer_of(briefs.at(chunk.job).spec);
    });
    std::deque<Chunk> kept(std::make_move_iterator(needed), std::make_move_iterator(queue_.end()));
    queue_.erase(needed, queue_.end());
    give_back_queue(step, why);
    queue_ = std::move(kept);
}

void Work::fail_queue(Step& step, const std::string& why) {
    for (const Chunk& chunk : std::exchange(queue_, {})) {
        hold_no_more(chunk.job, chunk.range);
        fail(step, chunk, chunk.range, why);
    }
}

void Work::start_tasks(Step& step, const Briefs& briefs, bool room) {
    if (room) {
        full_since_.reset();
        while (!queue_.empty() && slots_.has_free()) {
            Chunk chunk = std::move(queue_.front());
            queue_.pop_front();
            const wire::JobSpec& spec = briefs.at(chunk.job).spec;
            slots_.start(step, std::move(chunk), spec);
        }
        if (slots_.any_waiting()) start_guests(step, briefs);
    } else if (!full_since_) {
        full_since_ = step.now;
        step.act(Note{.level = Level::warn,
                      .what = "full of results that nobody has confirmed, starting nothing"});
    } else if (step.now >= *full_since_ + limits::full_patience && !queue_.empty()) {
        give_back_queue(step, "worker is full");
        full_since_ = step.now;
    }
}

/// What waits for a slot runs on threads of handlers that wait for it.
void Work::start_guests(Step& step, const Briefs& briefs) {
    for (auto chunk = queue_.begin(); chunk != queue_.end();) {
        const wire::JobSpec& spec = briefs.at(chunk->job).spec;
        const auto host = slots_.host_for(spec);
        if (!host) {
            ++chunk;
            continue;
        }
        slots_.start_guest(step, std::move(*chunk), spec, *host);
        chunk = queue_.erase(chunk);
    }
}

Time Work::next_wakeup() const {
    return full_since_ && !queue_.empty() ? *full_since_ + limits::full_patience : Time::max();
}

// --- what tasks report

Slots::Reported Work::take_values(const Values& event) {
    auto reported = slots_.report(event.task, {event.first, event.first + event.count});
    for (Range part : reported.parts) hold_no_more(reported.job, part);
    return reported;
}

void Work::take_failure(Step& step, Failed& event, const Briefs& briefs) {
    wire::Failure& failure = event.failure;
    const Range range{failure.index, failure.index + 1};
    auto reported = slots_.report(event.task, range);
    if (reported.parts.empty()) return;
    hold_no_more(reported.job, range);
    failure.attempt = reported.attempt;
    failure.worker = options_.worker;
    failure.message.resize(cut_between_characters(failure.message, limits::text_bytes).size());
    if (event.trouble) {
        give_back(step, reported.job, range, failure.message.c_str());
        return step.done.troubled(
            {.job = reported.job,
             .index = failure.index,
             .kind = *event.trouble,
             .reason = std::string(cut_between_characters(failure.message, limits::reason_bytes)),
             .exit_code = failure.exit_code});
    }
    step.act(Note{.level = Level::debug,
                  .what = "fragment failed",
                  .job = reported.job,
                  .range = range,
                  .attempt = failure.attempt,
                  .took = failure.elapsed,
                  .detail = failure.message});
    step.done.failed(reported.job, std::move(failure), std::move(event.output));
    if (wire::pauses_at_failure(briefs.at(reported.job).spec, reported.attempt))
        pause(step, reported.job);
}

void Work::take_finished(Step& step, const Finished& event) {
    if (auto unbegun = slots_.finish(step, event.task)) give_up(step, *unbegun);
}

void Work::take_overrun(Step& step, const Overran& event, const Briefs& briefs) {
    auto overrun = slots_.overrun(step, event);
    if (!overrun) return;
    const Chunk& chunk = overrun->rest.chunk;
    if (overrun->wanted) {
        hold_no_more(chunk.job, {event.index, event.index + 1});
        step.done.failed(chunk.job,
                         {.index = event.index,
                          .attempt = chunk.attempt,
                          .kind = wire::FailureKind::timeout,
                          .message = timeout_text(overrun->timeout),
                          .elapsed = overrun->timeout,
                          .worker = options_.worker},
                         {});
        if (wire::pauses_at_failure(briefs.at(chunk.job).spec, chunk.attempt))
            pause(step, chunk.job);
    }
    give_up(step, overrun->rest);
}

void Work::take_trimmed(Step& step, const Trimmed& event) {
    if (auto unbegun = slots_.take_trimmed(event)) give_up(step, *unbegun);
}

/// What has not begun of the job goes back, as if the broker had recalled it.
void Work::pause(Step& step, const JobId& job) {
    constexpr Range all{0, std::numeric_limits<Index>::max()};
    paused_.insert(job);
    give_recalled(step, job, cut_queue(step, job, all));
    slots_.recall(step, job, {all});
}

/// What a task will not run goes back to the broker, as far as a Recall asks for it, or the job
/// pauses; the rest runs again, first of all.
void Work::give_up(Step& step, const Slots::Unbegun& unbegun) {
    const JobId& job = unbegun.chunk.job;
    give_recalled(step, job, unbegun.recalled.ranges());
    if (paused_.contains(job)) give_recalled(step, job, unbegun.again.ranges());
    else queue_parts(step, unbegun.chunk, unbegun.again.ranges(), true);
}

// --- letting go

void Work::release(Step& step, const JobId& job, Range range) {
    auto held = held_.find(job);
    if (held == held_.end() || held->second.within(range).empty()) return;
    cut_queue(step, job, range);
    slots_.release(step, job, range);
    hold_no_more(job, range);
}

void Work::recall(Step& step, const wire::Recall& message) {
    if (message.number <= recall_) {
        step.act(Note{.level = Level::debug, .what = "recall ignored, its number is past"});
        return;
    }
    recall_ = message.number;
    for (const wire::JobRanges& item : message.items) {
        for (Range range : item.ranges)
            give_recalled(step, item.job, cut_queue(step, item.job, range));
        slots_.recall(step, item.job, item.ranges);
    }
}

std::optional<std::uint64_t> Work::obeyed_recall() const {
    return slots_.recalls_are_answered() ? std::optional(recall_) : std::nullopt;
}

void Work::begin_session() {
    recall_ = 0;
    paused_.clear();
    slots_.begin_session();
}

/// Takes the range out of what waits for a slot; returns what was there of it.
std::vector<Range> Work::cut_queue(Step& step, const JobId& job, Range range) {
    std::vector<Range> taken;
    std::deque<Chunk> before;
    before.swap(queue_);
    for (Chunk& chunk : before) {
        if (chunk.job != job || overlap(chunk.range, range).empty()) {
            queue_.push_back(std::move(chunk));
            continue;
        }
        taken.push_back(overlap(chunk.range, range));
        RangeSet left({chunk.range});
        left.remove(range);
        queue_parts(step, chunk, left.ranges(), false);
    }
    return taken;
}

/// Fragments that are in no task and not in the queue any more go back to the broker, which has
/// asked for them.
void Work::give_recalled(Step& step, const JobId& job, const std::vector<Range>& ranges) {
    for (Range range : ranges) {
        step.act(Note{.level = Level::debug,
                      .what = "fragments given back, the broker recalls them",
                      .job = job,
                      .range = range});
        hold_no_more(job, range);
        step.done.recalled(job, range);
    }
}

/// The part fails without having run.
void Work::fail(Step& step, const Chunk& chunk, Range part, const std::string& why) {
    step.act(Note{.level = Level::debug,
                  .what = "fragments failed",
                  .job = chunk.job,
                  .range = part,
                  .attempt = chunk.attempt,
                  .detail = why});
    for (Index index = part.begin; index < part.end; ++index) {
        step.done.failed(
            chunk.job,
            {.index = index, .attempt = chunk.attempt, .message = why, .worker = options_.worker},
            {});
    }
}

// --- books

void Work::hold_no_more(const JobId& job, Range range) {
    auto held = held_.find(job);
    if (held == held_.end()) return;
    held->second.remove(range);
    if (held->second.empty()) held_.erase(held);
}

void Work::check_invariants() const {
    std::map<JobId, RangeSet> found;
    for (const Chunk& chunk : queue_)
        FANFOLD_CHECK(found[chunk.job].add(chunk.range) == chunk.range.size());
    slots_.check_invariants(found);
    FANFOLD_CHECK(found == held_);
}

}  // namespace fanfold::worker
