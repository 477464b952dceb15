#include "gatherer/core/jobs.hpp"

#include <limits>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "gatherer/core/soundness.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

Job* Jobs::find(const JobId& id) const {
    auto job = jobs_.find(id);
    return job == jobs_.end() ? nullptr : job->second.get();
}

// --- assigned, and assigned again

void Jobs::assign(Step& step, const wire::Assign& assign) {
    if (Job* job = find(assign.job)) return assign_again(step, *job, assign);
    auto made = std::make_unique<Job>(Job::Start{
        .id = assign.job,
        .user = assign.user,
        .spec = assign.spec,
        .round = {.assignment = assign.assignment, .number = assign.round, .opened = step.now}});
    Job& job = *jobs_.emplace(assign.job, std::move(made)).first->second;
    if (assign.again)
        job.assembly.restore_next_sequence(parts_.persistence.first_sequence(step.now));
    parts_.persistence.put_job(step, job);
    step.actions.push_back(Note{.level = Level::debug,
                                .what = "job assigned",
                                .job = assign.job,
                                .detail = assign.spec.function});
    parts_.outcomes.start_deadline(step, job);
    if (assign.total) set_total(step, job, *assign.total);
    // The broker hears that nothing of the earlier rounds is here.
    if (assign.round > 0) parts_.confirmations.flush(step, job);
    take_early(step, job);
}

void Jobs::take_in(Step& step, std::unique_ptr<Job> came, const wire::Assign& assign) {
    Job& job = insert(std::move(came));
    step.actions.push_back(Note{.what = "a job has come from another gatherer", .job = job.id});
    assign_again(step, job, assign);
    go_on(step, job);
    take_early(step, job);
    parts_.confirmations.repeat(step, job);
}

/// What came before its job.
void Jobs::take_early(Step& step, Job& job) {
    const Early::Taken early = parts_.early.take(job.id, [&](const Sender& sender) {
        return parts_.admission.may_collect(job.user, sender);
    });
    for (const auto& [results, body] : early.results) add_results(step, results, body, {});
    for (const auto& waiting : early.collects) parts_.collecting.attach(step, job, waiting);
}

void Jobs::assign_again(Step& step, Job& job, const wire::Assign& assign) {
    const Life::Round& round = job.life.round();
    if (assign.assignment < round.assignment) return;  // from before a reassignment
    // A job whose own row could not be read belongs to nobody until now.
    if (std::exchange(job.user, assign.user) != assign.user) take_early(step, job);
    if (assign.round > round.number && assign.assignment > round.assignment)
        return start_round(step, job, assign);
    bool raised = job.life.raise(assign.assignment);
    if (raised) parts_.persistence.put_job(step, job);
    if (raised && !job.life.gathering() && !job.life.answered()) parts_.outcomes.propose(step, job);
    // A broker for whom it still runs is in another life than the one that knew the outcome.
    else if (job.life.ended() && job.life.answered()) {
        parts_.confirmations.repeat(step, job);
        parts_.outcomes.propose_once(step, job);
    }
    if (assign.total) set_total(step, job, *assign.total);
}

// What has no value is to come again; values stay, with their sequences.
void Jobs::start_round(Step& step, Job& job, const wire::Assign& assign) {
    auto old = parts_.persistence.rows_of_round(job);
    job.life.start_round({.assignment = assign.assignment,
                          .number = assign.round,
                          .start = job.assembly.next_sequence(),
                          .opened = step.now});
    job.assembly.start_round(assign.spec);
    parts_.memory.account(job);
    parts_.persistence.put_round(step, job, old);
    step.actions.push_back(Note{.level = Level::info,
                                .what = "job gathers again",
                                .job = job.id,
                                .detail = "round " + std::to_string(assign.round)});
    parts_.outcomes.start_deadline(step, job);
    parts_.collecting.turn_away(step, job);
    parts_.confirmations.drop(job);
    parts_.confirmations.repeat(step, job);
    if (!job.life.damage().empty())
        return parts_.outcomes.propose_lost(step, job, job.life.damage());
    if (assign.total) set_total(step, job, *assign.total);
    parts_.outcomes.settle(step, job);
}

void Jobs::set_total(Step& step, Job& job, std::uint64_t total) {
    auto known = job.assembly.total();
    if (known == total || !job.life.gathering()) return;
    if (known) {
        step.actions.push_back(
            Note{.level = Level::warn,
                 .what = "another total for a sealed job ignored",
                 .job = job.id,
                 .detail = std::to_string(*known) + ", now " + std::to_string(total)});
        return;
    }
    if (std::uint64_t dropped = job.assembly.seal(total))
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "results past the job's total dropped",
                                    .job = job.id,
                                    .range = {total, total + dropped},
                                    .detail = std::to_string(dropped) + " fragments"});
    parts_.confirmations.cut(job, total);
    parts_.persistence.put_job(step, job);
    parts_.memory.account(job);
    parts_.outcomes.settle(step, job);
}

// --- filled

void Jobs::add_results(Step& step, const wire::Results& results, const Slice& body,
                       const Sender& sender) {
    Job* job = find(results.job);
    std::string why = flaw(results, job ? job->assembly.total() : std::nullopt);
    if (!why.empty()) return (void)parts_.admission.strike(step, senseless(results, sender, why));
    Range range{results.first, results.first + results.count};
    if (job && job->is_leaving()) return;  // they stay with their worker
    if (job && (!job->life.gathering() || job->assembly.received().covers(range)))
        return drop_late(step, *job, range);
    if (!wire::is_objects(body.view(), results.count)) {
        why = "the body of " + std::to_string(body.size()) + " bytes is not " +
              std::to_string(results.count) + " MessagePack objects";
        return (void)parts_.admission.strike(step, senseless(results, sender, why));
    }
    if (job) return store(step, *job, results, body);
    bool kept = parts_.early.add(step.now, results, body);
    step.actions.push_back(about(results, kept ? Level::debug : Level::warn,
                                 kept ? "results came before their job"
                                      : "no room for results that came before their job, dropped"));
}

void Jobs::store(Step& step, Job& job, const wire::Results& results, const Slice& body) {
    if (!parts_.memory.has_room(body.size())) {
        step.actions.push_back(about(
            results, Level::debug, "no room for results that the disk is not ready for, dropped"));
        return;
    }
    std::uint64_t from = job.assembly.next_sequence();
    std::uint64_t stored = job.assembly.add(results, body);
    parts_.persistence.put_entries(step, job, from);
    step.actions.push_back(
        about(results, Level::debug,
              stored == results.count ? "results stored" : "results stored in part"));
    parts_.confirmations.add(step, job, {results.first, results.first + results.count});
    after_storing(step, job);
}

void Jobs::after_storing(Step& step, Job& job) {
    parts_.memory.account(job);
    parts_.collecting.pump(step, job);
    parts_.outcomes.settle(step, job);
    relieve_memory(step);
}

// Nothing of the range is stored: it is there already, or the job takes no more.
void Jobs::drop_late(Step& step, Job& job, Range range) {
    for (Range part : job.assembly.received().missing(range)) job.life.add_late(part);
    step.actions.push_back(Note{.level = Level::debug,
                                .what = "late or doubled results dropped",
                                .job = job.id,
                                .range = range});
    if (!job.life.answered()) parts_.confirmations.add(step, job, range);
}

void Jobs::add_errors(Step& step, wire::Errors errors, const Slice& body) {
    Job* job = find(errors.job);
    Index end = std::numeric_limits<Index>::max();
    if (job) end = job->assembly.total().value_or(end);
    if (!job || !are_sound(errors.failures, end, body.size())) {
        step.actions.push_back(Note{
            .level = Level::warn,
            .what = job ? "errors that make no sense dropped" : "errors of an unknown job dropped",
            .job = errors.job});
        return;
    }
    if (job->is_leaving() || !parts_.memory.has_room(body.size())) return;  // they are sent again
    std::size_t offset = 0;
    for (auto& failure : errors.failures) {
        Slice output = body.sub(offset, failure.output_bytes);
        offset += output.size();
        add_failure(step, *job, std::move(failure), output);
    }
    after_storing(step, *job);
}

void Jobs::add_failure(Step& step, Job& job, wire::Failure failure, const Slice& output) {
    Range range{failure.index, failure.index + 1};
    if (!job.life.gathering()) return drop_late(step, job, range);
    Note note = about(job.id, failure, "failure stored");
    std::uint64_t from = job.assembly.next_sequence();
    if (job.assembly.add(std::move(failure), output)) step.actions.push_back(std::move(note));
    parts_.persistence.put_entries(step, job, from);
    parts_.confirmations.add(step, job, range);
}

// --- forgotten

// Forgotten is sent when the erasure is safe; of an unknown job, when an earlier erasure is.
void Jobs::on_forget(Step& step, const JobId& id) {
    if (Job* job = find(id)) forget(step, *job);
    step.actions.push_back(SendBroker{.message = wire::Forgotten{.job = id}});
}

void Jobs::forget(Step& step, Job& job) {
    JobId id = job.id;
    parts_.collecting.end_all(step, job);
    Level level = job.assembly.spec().attached ? Level::debug : Level::info;
    step.actions.push_back(Note{.level = level, .what = "job forgotten", .job = id});
    parts_.persistence.erase_job(step, id);
    parts_.outcomes.forget(job);
    parts_.confirmations.drop(job);
    job.assembly.abandon();
    parts_.memory.forget(job);
    jobs_.erase(id);
}

// --- the broker's lives, the store, memory, time

void Jobs::on_welcome(Step& step, Greeting greeting) {
    if (parts_.inventory.is_wanted()) {
        parts_.inventory.say(step, jobs_);
    } else if (greeting == Greeting::other_life) {
        for (const auto& [id, job] : jobs_) parts_.outcomes.orphan(step, *job);
        return;
    }
    repeat_all(step);
}

void Jobs::on_describe(Step& step, const wire::Describe& describe) {
    for (const JobId& id : describe.jobs) {
        if (Job* job = find(id)) parts_.inventory.describe(step, *job), repeat(step, *job);
        else parts_.inventory.deny(step, id);
    }
}

void Jobs::on_store_mended(Step& step) {
    if (parts_.inventory.is_wanted()) parts_.inventory.say(step, jobs_);
    repeat_all(step);
    for (const auto& [id, job] : jobs_) parts_.collecting.pump(step, *job);
}

/// Everything that is safe here is sent to the broker once more: what was sent may be lost.
void Jobs::repeat_all(Step& step) {
    for (const auto& [id, job] : jobs_)
        if (!job->life.answered()) repeat(step, *job);
}

void Jobs::repeat(Step& step, Job& job) {
    parts_.confirmations.repeat(step, job);
    if (!job.life.gathering() && !job.life.answered()) parts_.outcomes.propose(step, job);
}

void Jobs::resume(Step& step, Restored restored) {
    jobs_ = std::move(restored.jobs);
    for (auto& text : restored.damage)
        step.actions.push_back(Note{.level = Level::error,
                                    .what = "a row of the state can't be read",
                                    .detail = std::move(text)});
    for (const auto& [id, rows] : restored.stale) parts_.persistence.erase(step, id, rows);
    for (const auto& [id, at] : restored.orphaned) parts_.outcomes.start_expiry(*find(id), at);
    // Some were on their way here from another gatherer, which has them still.
    for (auto at = jobs_.begin(); at != jobs_.end();)
        if (Job& job = *(at++)->second;
            job.life.round().assignment == 0 && job.life.damage().empty())
            forget(step, job);
    for (const auto& [id, job] : jobs_) go_on(step, *job);
    if (jobs_.empty()) return;
    step.actions.push_back(Note{.level = Level::info,
                                .what = "state read",
                                .detail = std::to_string(jobs_.size()) + " jobs, " +
                                          std::to_string(parts_.memory.held_bytes()) +
                                          " bytes of results"});
    relieve_memory(step);
}

// Collectors may know positions of a life whose rows are gone, as there was no store or it was put
// back to an older state: what they have not had must come behind those.
void Jobs::go_on(Step& step, Job& job) {
    job.assembly.restore_next_sequence(parts_.persistence.first_sequence(step.now));
    switch (job.life.phase()) {
        case Phase::gathering:
            if (!job.life.damage().empty())
                return parts_.outcomes.propose_lost(step, job, job.life.damage());
            parts_.outcomes.start_deadline(step, job);
            return parts_.outcomes.settle(step, job);
        case Phase::proposed: return parts_.outcomes.propose(step, job);
        case Phase::ended:
            if (!job.life.answered()) parts_.outcomes.propose(step, job);
            return;
    }
}

void Jobs::on_fetched(Step& step, const Fetched& event) {
    Job* job = find(event.record.job);
    if (!parts_.memory.take(job, event)) return on_damage(step, *job, event.record.number);
    if (job) parts_.collecting.pump(step, *job);
}

/// A value that was safe is gone.
void Jobs::on_damage(Step& step, Job& job, std::uint64_t sequence) {
    Index first = job.assembly.order().at(sequence);
    Range range{first, first + job.assembly.entries().at(first).count};
    job.life.damage("the gatherer's state " +
                    (state_.empty() ? std::string{} : "in " + state_ + " ") +
                    "is damaged: what was kept of fragments " + to_string({range}) +
                    " can't be read; restore the folder from a backup, or run the job again");
    step.actions.push_back(Note{.level = Level::error,
                                .what = "a result can't be read back from the store",
                                .job = job.id,
                                .range = range,
                                .detail = job.life.damage()});
    if (job.life.gathering()) parts_.outcomes.propose_lost(step, job, job.life.damage());
    parts_.collecting.refuse_for_damage(step, job);
}

// First go jobs that no broker knows any more, then the running job that takes most, and the next,
// until what stays fits.
void Jobs::relieve_memory(Step& step) {
    if (!parts_.memory.is_full() || parts_.persistence.troubled()) return;
    for (auto at = jobs_.begin(); at != jobs_.end() && parts_.memory.is_full();) {
        Job& job = *(at++)->second;
        if (job.life.orphaned() && parts_.memory.holds_memory(job)) forget(step, job);
    }
    while (Job* job = parts_.memory.heaviest(jobs_))
        parts_.outcomes.propose_lost(step, *job, parts_.memory.reason_to_lose(*job));
}

void Jobs::on_time(Step& step) {
    while (auto due = parts_.outcomes.take_due(step.now)) {
        Job* job = find(due->second);
        FANFOLD_CHECK(job != nullptr);
        switch (due->first) {
            case TimerKind::deadline: parts_.outcomes.settle(step, *job, true); break;
            case TimerKind::propose: parts_.outcomes.propose(step, *job); break;
            case TimerKind::expiry: forget(step, *job); break;
        }
    }
    auto expired = parts_.early.expire(step.now);
    for (const auto& [id, count] : expired.results)
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "results of a job that nobody assigned dropped",
                                    .job = id,
                                    .detail = std::to_string(count) + " messages"});
    parts_.collecting.refuse_expired(step, expired.collects);
    parts_.confirmations.on_time(step, jobs_);
}

void Jobs::check_invariants() const {
    for (const auto& [id, job] : jobs_) {
        FANFOLD_CHECK(job->id == id);
        job->assembly.check_invariants();
        job->life.check_invariants();
    }
}

}  // namespace fanfold::gatherer
