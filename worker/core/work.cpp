// The worker's core, the part about work: chunks on loan, slots, results and what the broker is
// told of them.
#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "shared/wire/codec.hpp"
#include "worker/core/core.hpp"
#include "worker/core/text.hpp"

namespace fanfold::worker {

namespace {

constexpr std::uint64_t resend_bytes = std::uint64_t{32} << 20;  // of one job, pushed again at once
constexpr std::uint64_t inventory_ranges = 50'000;  // kept; more would not fit a heartbeat's header
constexpr std::size_t named_functions = 20;         // in an error that lists what is offered
constexpr Duration resend_check = std::chrono::milliseconds(500);

std::string offered(const std::vector<std::string>& functions) {
    if (functions.empty()) return "it offers none";
    std::string text = "it offers ";
    for (std::size_t i = 0; i < functions.size() && i < named_functions; ++i)
        text += (i == 0 ? "" : ", ") + functions[i];
    if (functions.size() > named_functions)
        text += " and " + std::to_string(functions.size() - named_functions) + " more";
    return text;
}

}  // namespace

// --- taking chunks
// --------------------------------------------------------------------------------------------

void Core::on_message(wire::Dispatch& message, Slice& body) {
    if (phase_ != Phase::standing || message.sequence <= told_ ||
        seen_.contains(message.sequence)) {
        note({.level = Level::debug,
              .what = "chunk ignored, its number is past",
              .job = message.job});
        return;
    }
    if (message.sequence == std::numeric_limits<std::uint64_t>::max() || message.count == 0 ||
        message.count > limits::block_fragments ||
        message.first > std::numeric_limits<Index>::max() - message.count) {
        note({.level = Level::warn, .what = "chunk that makes no sense", .job = message.job});
        return;
    }
    seen_.add({message.sequence, message.sequence + 1});
    handled_ = std::max(handled_, message.sequence);
    if (std::exchange(nothing_to_tell_, false))
        heartbeat_at_ = std::min(heartbeat_at_, now_ + heartbeat_);
    Chunk chunk{message.job,
                {message.first, message.first + message.count},
                message.attempt,
                std::move(body)};
    if (message.brief) learn(message.job, *message.brief);
    Job* job = job_of(message.job);
    if (job == nullptr) return give_back(message.job, chunk.range, "its job is not known");
    if (draining_) return give_back(message.job, chunk.range, "worker drains");
    take_chunk(message.job, *job, std::move(chunk));
}

void Core::learn(const JobId& id, const wire::JobBrief& brief) {
    auto [at, added] = jobs_.try_emplace(id);
    Job& job = at->second;
    if (added) job.spec = brief.spec;
    if (added || brief.assignment >= job.assignment)
        job.assignment = brief.assignment, job.gatherer = brief.gatherer;
}

void Core::take_chunk(const JobId& id, Job& job, Chunk chunk) {
    std::vector<Range> fresh;
    for (Range part : job.held.missing(chunk.range)) {
        for (Range rest : job.kept.indices().missing(part)) fresh.push_back(rest);
    }
    note({.level = Level::debug,
          .what = fresh.empty() ? "chunk ignored, it is here already" : "chunk taken",
          .job = id,
          .range = chunk.range,
          .attempt = chunk.attempt});
    if (!offers(job.spec.function)) {
        std::string why = "this worker offers no function '" + job.spec.function + "'; " +
                          offered(options_.functions);
        for (Range part : fresh) fail_range(id, part, chunk.attempt, why);
        return;
    }
    for (Range part : fresh) job.held.add(part);
    queue_parts(job, chunk, fresh, false);
}

/// Queues parts of a chunk that are held; those whose payloads can't be found in the body fail.
void Core::queue_parts(Job& job, const Chunk& chunk, const std::vector<Range>& parts, bool front) {
    std::vector<Chunk> cut;
    for (Range part : parts) {
        auto body = cut_objects(chunk.body, chunk.range.size(), part.begin - chunk.range.begin,
                                part.size());
        if (body) {
            cut.push_back({chunk.job, part, chunk.attempt, *std::move(body)});
        } else {
            job.held.remove(part);
            fail_range(chunk.job, part, chunk.attempt,
                       "the chunk's payloads are not whole MessagePack objects");
        }
    }
    queue_.insert(front ? queue_.begin() : queue_.end(), std::move_iterator(cut.begin()),
                  std::move_iterator(cut.end()));
}

/// The fragments fail without having run; they are held no more.
void Core::fail_range(const JobId& id, Range range, std::uint32_t attempt, const std::string& why) {
    note({.level = Level::debug,
          .what = "fragments failed",
          .job = id,
          .range = range,
          .attempt = attempt,
          .detail = why});
    for (Index index = range.begin; index < range.end; ++index) {
        done_.failed(
            id, {.index = index, .attempt = attempt, .message = why, .worker = options_.name}, {});
    }
}

void Core::give_back(const JobId& id, Range range, const char* why) {
    note({.level = Level::debug,
          .what = "chunk returned unstarted",
          .job = id,
          .range = range,
          .detail = why});
    done_.returned(id, range);
}

void Core::give_back_queue(const char* why) {
    for (const Chunk& chunk : queue_) {
        job_of(chunk.job)->held.remove(chunk.range);
        give_back(chunk.job, chunk.range, why);
    }
    queue_.clear();
}

// --- slots
// ----------------------------------------------------------------------------------------------------

void Core::start_tasks() {
    for (SlotId id = 0; id < slots_.size() && !queue_.empty(); ++id) {
        Slot& slot = slots_[id];
        if (slot.task) continue;
        slot = {
            .task = ++last_task_, .chunk = std::move(queue_.front()), .open = {}, .started = now_};
        queue_.pop_front();
        slot.open.add(slot.chunk.range);
        const Chunk& chunk = slot.chunk;
        note({.level = Level::debug,
              .what = "chunk started",
              .job = chunk.job,
              .range = chunk.range,
              .attempt = chunk.attempt});
        actions_->push_back(Run{.slot = id,
                                .task = {.number = *slot.task,
                                         .job = chunk.job,
                                         .first = chunk.range.begin,
                                         .count = static_cast<std::uint32_t>(chunk.range.size()),
                                         .attempt = chunk.attempt,
                                         .body = chunk.body,
                                         .spec = job_of(chunk.job)->spec}});
    }
}

void Core::on_event(Values& event) {
    Slot* slot = slot_of(event.task);
    if (slot == nullptr || event.count == 0) return;
    for (Range part : slot->open.within({event.first, event.first + event.count})) {
        slot->open.remove(part);
        store(*job_of(slot->chunk.job), *slot, part, event);
    }
}

/// Keeps the values of a part of what a task reported, pushes them and has the broker told.
void Core::store(Job& job, const Slot& slot, Range part, const Values& values) {
    const JobId& id = slot.chunk.job;
    job.held.remove(part);
    auto body = cut_objects(values.body, values.count, part.begin - values.first, part.size());
    FANFOLD_CHECK(body.has_value());
    KeptRun run{part,
                {.worker = options_.name,
                 .attempt = slot.chunk.attempt,
                 .started = values.started,
                 .elapsed = values.elapsed},
                *std::move(body)};
    push(id, job, run);
    done_.finished({.job = id, .range = part, .busy = values.elapsed, .bytes = run.body.size()});
    count_kept(job, false);
    job.kept.add(std::move(run), now_);
    count_kept(job, true);
}

void Core::on_event(Failed& event) {
    Slot* slot = slot_of(event.task);
    wire::Failure& failure = event.failure;
    if (slot == nullptr || !slot->open.contains(failure.index)) return;
    slot->open.remove({failure.index, failure.index + 1});
    job_of(slot->chunk.job)->held.remove({failure.index, failure.index + 1});
    failure.attempt = slot->chunk.attempt;
    failure.worker = options_.name;
    failure.message = shortened(std::move(failure.message), limits::text_bytes);
    note({.level = Level::debug,
          .what = "fragment failed",
          .job = slot->chunk.job,
          .range = {failure.index, failure.index + 1},
          .attempt = failure.attempt,
          .took = failure.elapsed,
          .detail = failure.message});
    done_.failed(slot->chunk.job, std::move(failure), std::move(event.output));
}

void Core::on_event(Finished& event) {
    Slot* slot = slot_of(event.task);
    if (slot == nullptr) return;
    note({.level = slot->stuck ? Level::info : Level::debug,
          .what = slot->stuck ? "handler that overran has returned" : "chunk finished",
          .job = slot->chunk.job,
          .range = slot->chunk.range,
          .attempt = slot->chunk.attempt,
          .took = now_ - slot->started});
    let_go(*slot, slot->open);
    *slot = Slot{};
}

void Core::on_event(Overran& event) {
    Slot* slot = slot_of(event.task);
    if (slot == nullptr || slot->stuck) return;
    slot->stuck = true;
    Job* job = job_of(slot->chunk.job);
    Range guilty{event.index, event.index + 1};
    note({.level = Level::warn,
          .what = "handler ran past its timeout and can't be stopped",
          .job = slot->chunk.job,
          .range = guilty,
          .attempt = slot->chunk.attempt,
          .detail = job != nullptr ? job->spec.function : std::string()});
    if (slot->open.remove(guilty) > 0) {
        job->held.remove(guilty);
        done_.failed(slot->chunk.job,
                     {.index = event.index,
                      .attempt = slot->chunk.attempt,
                      .kind = wire::FailureKind::timeout,
                      .message = timeout_text(job->spec.timeout),
                      .elapsed = job->spec.timeout,
                      .worker = options_.name},
                     {});
    }
    let_go(*slot, std::exchange(slot->open, {}));
}

// --- results again
// --------------------------------------------------------------------------------------------

void Core::push(const JobId& id, const Job& job, const KeptRun& run) {
    actions_->push_back(
        PushResults{.to = job.gatherer,
                    .message = {.job = id,
                                .first = run.range.begin,
                                .count = static_cast<std::uint32_t>(run.range.size()),
                                .meta = run.meta},
                    .body = run.body});
}

void Core::on_message(wire::SendAgain& message, Slice&) {
    Job* job = job_of(message.job);
    if (job == nullptr || message.assignment < job->assignment) return;
    job->assignment = message.assignment;
    job->gatherer = std::move(message.gatherer);
    for (const KeptRun* run :
         job->kept.overlapping(message.ranges, std::numeric_limits<std::uint64_t>::max())) {
        push(message.job, *job, *run);
    }
    job->kept.pushed_again(now_);
    note({.level = Level::info,
          .what = "results pushed again, the broker asks for them",
          .job = message.job});
}

void Core::resend_overdue() {
    resend_check_at_ = now_ + resend_check;
    for (auto& [id, job] : jobs_) {
        if (job.kept.empty() || now_ < job.kept.due()) continue;
        auto runs = job.kept.overlapping(job.kept.indices().ranges(), resend_bytes);
        for (const KeptRun* run : runs) push(id, job, *run);
        job.kept.pushed_again(now_);
        note({.level = Level::info,
              .what = "results pushed again, nobody has confirmed them",
              .job = id,
              .range = {runs.front()->range.begin, runs.back()->range.end}});
    }
}

// --- at the end of each step
// ----------------------------------------------------------------------------------

void Core::settle() {
    if (stuck_slots() == slots_.size()) {
        return leave(slots_.size() == 1
                         ? "its only slot is stuck in a handler that ran past its timeout"
                         : "all " + std::to_string(slots_.size()) +
                               " slots are stuck in handlers that ran past their timeout");
    }
    if (draining_) give_back_queue("worker drains");
    if (!full()) {
        full_since_.reset();
        start_tasks();
    } else if (!full_since_) {
        full_since_ = now_;
        note({.level = Level::warn,
              .what = "full of results that nobody has confirmed, starting nothing"});
    } else if (now_ >= *full_since_ + full_patience && !queue_.empty()) {
        give_back_queue("worker is full");
        full_since_ = now_;
    }
    if (trims_ == 0) done_.obeyed(recall_);
    if (done_.empty()) done_since_.reset();
    else if (!done_since_) done_since_ = now_;
    bool idle_slot = busy_slots() < slots_.size();
    bool at_once = idle_slot || done_.answers_recall();
    if (done_since_ && phase_ == Phase::standing &&
        (at_once || now_ >= *done_since_ + done_patience))
        flush_done();
    if (draining_) finish_drain();
}

void Core::flush_done() {
    for (DoneMessage& part : done_.take()) send(std::move(part.message), std::move(part.body));
    done_since_.reset();
}

/// Results that the gatherer has not confirmed would have to run again elsewhere, so they are
/// waited for, but not for long.
void Core::finish_drain() {
    if (busy_slots() > stuck_slots()) return;
    bool confirmed = kept_ranges_ == 0 || phase_ != Phase::standing;
    if (confirmed || now_ >= drain_until_) leave({});
}

// --- books
// ----------------------------------------------------------------------------------------------------

void Core::count_kept(const Job& job, bool add) {
    std::uint64_t sign = add ? 1 : ~std::uint64_t{0};
    kept_bytes_ += sign * job.kept.bytes();
    kept_ranges_ += sign * job.kept.indices().range_count();
}

Core::Slot* Core::slot_of(std::uint64_t task) {
    auto at = std::find_if(slots_.begin(), slots_.end(),
                           [&](const Slot& slot) { return slot.task == task; });
    return at == slots_.end() ? nullptr : &*at;
}

Core::Job* Core::job_of(const JobId& id) {
    auto at = jobs_.find(id);
    return at == jobs_.end() ? nullptr : &at->second;
}

bool Core::offers(const std::string& function) const {
    return std::binary_search(options_.functions.begin(), options_.functions.end(), function);
}

bool Core::full() const {
    return kept_bytes_ >= limits::worker_kept_bytes || kept_ranges_ >= inventory_ranges;
}

std::uint32_t Core::busy_slots() const {
    return static_cast<std::uint32_t>(std::count_if(
        slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.task.has_value(); }));
}

std::uint32_t Core::stuck_slots() const {
    return static_cast<std::uint32_t>(
        std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.stuck; }));
}

std::uint64_t Core::held() const {
    std::uint64_t count = 0;
    for (const auto& [id, job] : jobs_) count += job.held.size();
    return count;
}

void Core::check_invariants() const {
    std::map<JobId, RangeSet> found;  // in the queue or a task; each once
    auto find = [&](const JobId& id, Range range) {
        FANFOLD_CHECK(found[id].add(range) == range.size());
    };
    for (const Chunk& chunk : queue_) find(chunk.job, chunk.range);
    for (const Slot& slot : slots_) {
        FANFOLD_CHECK(slot.task || (slot.open.empty() && !slot.stuck));
        FANFOLD_CHECK(!slot.stuck || slot.open.empty());
        FANFOLD_CHECK(slot.trims <= trims_);
        FANFOLD_CHECK(slot.trims > 0 || slot.recalled.empty());
        for (Range range : slot.open.ranges()) find(slot.chunk.job, range);
    }
    std::uint64_t bytes = 0;
    std::uint64_t ranges = 0;
    std::uint64_t held_in_jobs = 0;
    for (const auto& [id, job] : jobs_) {
        job.kept.check_invariants();
        for (Range range : job.held.ranges())
            FANFOLD_CHECK(job.kept.indices().within(range).empty());
        FANFOLD_CHECK(job.held.empty() || found[id] == job.held);
        held_in_jobs += job.held.size();
        bytes += job.kept.bytes();
        ranges += job.kept.indices().range_count();
    }
    std::uint64_t held_in_work = 0;
    for (const auto& [id, indices] : found) held_in_work += indices.size();
    FANFOLD_CHECK(held_in_work == held_in_jobs);
    FANFOLD_CHECK(bytes == kept_bytes_);
    FANFOLD_CHECK(ranges == kept_ranges_);
    FANFOLD_CHECK(seen_.empty() || handled_ > 0);
}

}  // namespace fanfold::worker
