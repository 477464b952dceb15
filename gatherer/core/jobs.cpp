// A job's life in the gatherer: assigned, gathered, settled, concluded, forgotten.
#include <algorithm>
#include <limits>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/base/result.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

using wire::Outcome;

namespace {

using namespace std::chrono_literals;

constexpr Duration confirm_within = 2ms;    // the first confirmation of a batch waits no longer
constexpr std::uint32_t confirm_runs = 64;  // a batch is told at once when it has so many
constexpr std::size_t gathered_ranges = 10'000;  // in one Gathered
constexpr auto senseless_results = "results that make no sense dropped";

/// Why the run can't be one of its job; empty when it can.
std::string flaw(const wire::Results& results, std::optional<std::uint64_t> total) {
    if (results.count == 0) return "a run of no fragments";
    if (results.count > std::numeric_limits<Index>::max() - results.first)
        return "fragment " + std::to_string(results.first) + " and " +
               std::to_string(results.count - 1) + " more overflow the index";
    Index end = results.first + results.count;
    if (total && end > *total)
        return "fragment " + std::to_string(end - 1) + " of a job that has " +
               std::to_string(*total) + " fragments";
    return {};
}

/// For a log line; nothing when a peer's figure makes no sense.
Duration taken(wire::Microseconds elapsed) {
    bool sensible = elapsed.count() >= 0 && elapsed < std::chrono::hours{24 * 365};
    return sensible ? Duration{elapsed} : Duration{-1};
}

Note about(const wire::Results& results, Level level, const char* what, std::string detail = {}) {
    bool sound = results.count <= std::numeric_limits<Index>::max() - results.first;
    return {.level = level,
            .what = what,
            .job = results.job,
            .range = sound ? Range{results.first, results.first + results.count} : Range{},
            .peer = results.meta.worker,
            .attempt = results.meta.attempt,
            .took = taken(results.meta.elapsed),
            .detail = std::move(detail)};
}

}  // namespace

void Core::on_assign(Step& step, const wire::Assign& assign) {
    if (Job* job = find(assign.job)) {
        if (assign.assignment < job->assignment) return;  // from before a reassignment
        if (assign.round > job->round && assign.assignment > job->assignment)
            return start_round(step, *job, assign);
        bool raised = assign.assignment > job->assignment;
        job->assignment = assign.assignment;
        if (raised) persist_job(step, *job);
        if (raised && job->phase != Phase::gathering && !job->answered) send_proposal(step, *job);
        // A broker for whom it still runs is in another life than the one that knew the outcome: it
        // is told.
        else if (job->phase == Phase::ended && (job->answered || job->orphaned))
            tell_proposal(step, *job);
        if (assign.total) on_total(step, *job, *assign.total);
        return;
    }
    auto& job =
        *jobs_.emplace(assign.job, std::make_unique<Job>(assign.job, assign.spec)).first->second;
    job.user = assign.user;
    job.assignment = assign.assignment;
    job.round = assign.round;
    job.opened = step.now;
    job.assigned_at = milliseconds_since_1970(step.now);
    persist_job(step, job);
    step.actions.push_back(Note{.level = Level::debug,
                                .what = "job assigned",
                                .job = assign.job,
                                .detail = assign.spec.function});
    if (auto deadline = deadline_of(assign.spec))
        timers_.arm(TimerKind::deadline, assign.job, step.now + *deadline);
    auto early =
        early_.take(assign.job, [&](const Sender& sender) { return may_collect(job, sender); });
    if (assign.total) on_total(step, job, *assign.total);
    if (job.round > 0)
        flush(step, job);  // the broker hears that nothing of the earlier rounds is here
    for (const auto& [results, body] : early.results) on_results(step, results, body, {});
    for (const auto& waiting : early.collects)
        attach(step, job, waiting.peer, waiting.collect, waiting.sender);
}

void Core::on_total(Step& step, Job& job, std::uint64_t total) {
    if (job.assembly.total() == total || job.phase != Phase::gathering) return;
    if (job.assembly.total()) {
        step.actions.push_back(Note{
            .level = Level::warn,
            .what = "another total for a sealed job ignored",
            .job = job.id,
            .detail = std::to_string(*job.assembly.total()) + ", now " + std::to_string(total)});
        return;
    }
    Range past{total, std::numeric_limits<Index>::max()};
    if (std::uint64_t dropped = job.assembly.seal(total))
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "results past the job's total dropped",
                                    .job = job.id,
                                    .range = {total, total + dropped},
                                    .detail = std::to_string(dropped) + " fragments"});
    job.unconfirmed.remove(past);
    persist_job(step, job);
    account(job);
    settle(step, job);
}

void Core::on_results(Step& step, const wire::Results& results, const Slice& body,
                      const Sender& sender) {
    Job* job = find(results.job);
    std::string why = flaw(results, job ? job->assembly.total() : std::nullopt);
    if (!why.empty()) {
        strike(step, {}, sender, senseless_results, results.meta.worker + ": " + why);
        return;
    }
    Range range{results.first, results.first + results.count};
    if (job && (job->phase != Phase::gathering || job->assembly.received().covers(range))) {
        on_late(step, *job, range);
        return;
    }
    if (!wire::is_objects(body.view(), results.count)) {
        strike(step, {}, sender, senseless_results,
               results.meta.worker + ": the body of " + std::to_string(body.size()) +
                   " bytes is not " + std::to_string(results.count) + " MessagePack objects");
        return;
    }
    if (!job) {
        bool kept = early_.add(step.now, results, body);
        step.actions.push_back(
            about(results, kept ? Level::debug : Level::warn,
                  kept ? "results came before their job"
                       : "no room for results that came before their job, dropped"));
        return;
    }
    if (!has_room(body.size())) {
        step.actions.push_back(about(
            results, Level::debug, "no room for results that the disk is not ready for, dropped"));
        return;
    }
    std::uint64_t from = job->assembly.next_sequence();
    std::uint64_t stored = job->assembly.add(results, body);
    persist_entries(step, *job, from);
    account(*job);
    step.actions.push_back(
        about(results, Level::debug,
              stored == results.count ? "results stored" : "results stored in part"));
    confirm(step, *job, range);
    pump(step, *job);
    settle(step, *job);
    relieve_memory(step);
}

// Nothing of the range is stored: it is there already, or the job takes no more.
void Core::on_late(Step& step, Job& job, Range range) {
    for (Range part : job.assembly.received().missing(range)) job.late.add(part);
    step.actions.push_back(Note{.level = Level::debug,
                                .what = "late or doubled results dropped",
                                .job = job.id,
                                .range = range});
    if (!job.answered) confirm(step, job, range);
}

void Core::on_errors(Step& step, wire::Errors errors, const Slice& body) {
    Job* job = find(errors.job);
    Index end =
        job && job->assembly.total() ? *job->assembly.total() : std::numeric_limits<Index>::max();
    std::uint64_t outputs = 0;
    bool sound = true;
    for (const auto& failure : errors.failures) {
        sound = sound && failure.output_bytes <= body.size() - outputs && failure.index < end;
        outputs += sound ? failure.output_bytes : 0;
    }
    if (!job || !sound || outputs != body.size()) {
        step.actions.push_back(Note{
            .level = Level::warn,
            .what = job ? "errors that make no sense dropped" : "errors of an unknown job dropped",
            .job = errors.job});
        return;
    }
    if (!has_room(body.size())) return;  // they are sent again
    std::size_t offset = 0;
    for (auto& failure : errors.failures) {
        Index index = failure.index;
        Slice output = body.sub(offset, failure.output_bytes);
        offset += output.size();
        if (job->phase != Phase::gathering) {
            on_late(step, *job, {index, index + 1});
            continue;
        }
        Note note{.level = Level::debug,
                  .what = "failure stored",
                  .job = job->id,
                  .range = {index, index + 1},
                  .peer = failure.worker,
                  .attempt = failure.attempt,
                  .took = taken(failure.elapsed),
                  .detail = failure.message};
        std::uint64_t from = job->assembly.next_sequence();
        if (job->assembly.add(std::move(failure), output)) step.actions.push_back(std::move(note));
        persist_entries(step, *job, from);
        confirm(step, *job, {index, index + 1});
    }
    account(*job);
    pump(step, *job);
    settle(step, *job);
    relieve_memory(step);
}

void Core::on_ended(Step& step, const wire::Ended& ended) {
    Job* job = find(ended.job);
    if (!job || job->answered || ended.outcome == Outcome::running) return;
    if (job->round > 0 && ended.assignment < job->assignment)
        return;  // the end of an earlier round
    timers_.disarm(TimerKind::propose, job->id);
    if (job->phase == Phase::ended) {
        // Complete with every value in hand won over whatever was on its way.
        if (ended.outcome != job->verdict.outcome)
            step.actions.push_back(
                Note{.level = Level::warn,
                     .what = "another outcome for a job that is complete ignored",
                     .job = job->id,
                     .detail = wire::to_string(ended.outcome)});
    } else {
        if (ended.total && !job->assembly.total()) {
            job->assembly.seal(*ended.total);
            persist_job(step, *job);
        }
        conclude(step, *job, {.outcome = ended.outcome, .reason = ended.reason}, ended.missing);
    }
    job->answered = true;
    drop_unconfirmed(*job);
    persist(step, job->id, Row::answered, job->round,
            wire::Ended{.job = job->id,
                        .assignment = ended.assignment,
                        .outcome = ended.outcome,
                        .reason = {},
                        .total = {},
                        .missing = {}});
}

// The job gathers again. What has no value is to come again; values stay, with their sequences.
void Core::start_round(Step& step, Job& job, const wire::Assign& assign) {
    OldRound old(job);
    job.assignment = assign.assignment;
    job.round = assign.round;
    job.round_start = job.assembly.next_sequence();
    job.opened = step.now;
    job.assigned_at = milliseconds_since_1970(step.now);
    job.phase = Phase::gathering;
    job.verdict = {};
    job.answered = job.orphaned = job.lost = false;
    job.missing.clear();
    job.late.clear();
    old.failures = job.assembly.start_round(assign.spec);
    account(job);
    persist_round(step, job, old);
    step.actions.push_back(Note{.level = Level::info,
                                .what = "job gathers again",
                                .job = job.id,
                                .detail = "round " + std::to_string(job.round)});
    timers_.disarm_all(job.id);
    if (auto deadline = deadline_of(assign.spec))
        timers_.arm(TimerKind::deadline, job.id, step.now + *deadline);
    turn_collectors_away(step, job, "it was run again while it was collected; collect it again");
    drop_unconfirmed(job);
    for (Range range : job.assembly.received().ranges()) job.unconfirmed.add(range);
    if (!job.unconfirmed.empty()) unflushed_.insert(job.id);
    flush(step, job);
    if (!job.damage.empty()) return propose_lost(step, job, job.damage);
    if (assign.total) on_total(step, job, *assign.total);
    settle(step, job);
}

/// Those that have had something, or were told the end.
void Core::turn_collectors_away(Step& step, Job& job, const std::string& why) {
    std::erase_if(job.collectors, [&](const auto& item) {
        const auto& [peer, collector] = item;
        if (!collector.concluded() && collector.begun())
            step.actions.push_back(
                Send{.to = peer,
                     .message = wire::Refused{.code = wire::RefusalCode::conflict,
                                              .text = "job " + to_string(job.id) + ": " + why,
                                              .job = job.id}});
        return collector.concluded() || collector.begun();
    });
}

// Forgotten is said when the erasure is safe, like all that is said; of an unknown job, when an
// earlier erasure is.
void Core::on_forget(Step& step, const JobId& id) {
    if (Job* job = find(id)) forget(step, *job);
    step.actions.push_back(SendBroker{.message = wire::Forgotten{.job = id}});
}

void Core::forget(Step& step, Job& job) {
    JobId id = job.id;
    for (const auto& [peer, collector] : job.collectors) {
        if (collector.concluded()) continue;
        step.actions.push_back(
            Send{.to = peer,
                 .message = wire::Refused{
                     .code = wire::RefusalCode::unknown_job,
                     .text = "job " + to_string(id) + " was forgotten, its results are gone",
                     .job = id}});
    }
    Level level = job.assembly.spec().attached ? Level::debug : Level::info;
    step.actions.push_back(Note{.level = level, .what = "job forgotten", .job = id});
    persist_erasure(step, id);
    erase(id);
}

void Core::erase(const JobId& id) {
    Job& job = *jobs_.at(id);
    timers_.disarm_all(id);
    drop_unconfirmed(job);
    job.assembly.abandon();
    account(job);
    for (auto at = fetching_.lower_bound({id, 0}); at != fetching_.end() && at->first.first == id;
         ++at)
        at->second.stale = true;
    jobs_.erase(id);
}

void Core::confirm(Step& step, Job& job, Range range) {
    auto parts = job.assembly.received().within(range);
    if (parts.empty()) return;
    for (Range part : parts) job.unconfirmed.add(part);
    ++job.unconfirmed_runs;
    unflushed_.insert(job.id);
    if (!flush_at_) flush_at_ = step.now + confirm_within;
    if (job.unconfirmed_runs >= confirm_runs) flush(step, job);
}

void Core::drop_unconfirmed(Job& job) {
    job.unconfirmed.clear();
    job.unconfirmed_runs = 0;
    unflushed_.erase(job.id);
    if (unflushed_.empty()) flush_at_.reset();
}

void Core::flush(Step& step, Job& job) {
    if (!can_tell()) return;  // all of it is told when that is over
    auto ranges = job.unconfirmed.ranges();
    drop_unconfirmed(job);
    job.told_held_bytes = job.assembly.held_bytes();
    std::size_t at = 0;
    do {
        std::size_t count = std::min(gathered_ranges, ranges.size() - at);
        auto begin = ranges.begin() + static_cast<std::ptrdiff_t>(at);
        wire::Gathered gathered{.job = job.id,
                                .ranges = {begin, begin + static_cast<std::ptrdiff_t>(count)},
                                .held_bytes = job.told_held_bytes,
                                .round = job.round};
        step.actions.push_back(SendBroker{.message = std::move(gathered)});
        at += count;
    } while (at < ranges.size());
}

void Core::flush_due(Step& step) {
    flush_at_.reset();
    if (!can_tell()) return;
    auto due = unflushed_;
    for (const JobId& id : due) flush(step, *jobs_.at(id));
}

void Core::settle(Step& step, Job& job, bool deadline_reached) {
    if (job.phase != Phase::gathering) return;
    auto verdict = judge(job.assembly.spec(), job.assembly.counts(deadline_reached));
    if (!verdict) return;
    job.verdict = *verdict;
    if (verdict->every_value) {
        conclude(step, job, *verdict, {});
    } else {
        job.phase = Phase::proposed;
        persist_proposal(step, job);
    }
    if (!job.unconfirmed.empty()) flush(step, job);
    send_proposal(step, job);
}

void Core::send_proposal(Step& step, Job& job) {
    timers_.arm(TimerKind::propose, job.id, step.now + limits::resend_after);
    tell_proposal(step, job);
}

void Core::tell_proposal(Step& step, const Job& job) {
    if (!can_tell()) return;
    step.actions.push_back(
        SendBroker{.message = wire::Propose{.job = job.id,
                                            .assignment = job.assignment,
                                            .outcome = job.verdict.outcome,
                                            .reason = job.verdict.reason,
                                            .every_value = job.verdict.every_value,
                                            .lost = job.lost}});
}

void Core::conclude(Step& step, Job& job, Verdict verdict,
                    const std::vector<wire::Missing>& from_broker) {
    FANFOLD_CHECK(job.phase != Phase::ended);
    job.phase = Phase::ended;
    job.verdict = std::move(verdict);
    timers_.disarm(TimerKind::deadline, job.id);
    if (job.lost) abandon(step, job);
    account(job);
    if (!job.verdict.every_value) job.missing = job.assembly.list_missing(true, from_broker);
    persist_outcome(step, job);
    std::string detail = wire::to_string(job.verdict.outcome);
    if (!job.verdict.reason.empty()) detail += ": " + job.verdict.reason;
    step.actions.push_back(Note{.level = Level::info,
                                .what = "job ended",
                                .job = job.id,
                                .took = step.now - job.opened,
                                .detail = std::move(detail)});
    pump(step, job);
}

void Core::abandon(Step& step, Job& job) {
    if (options_.durable)
        for (const auto& [sequence, first] : job.assembly.order()) job.let_go.push_back(sequence);
    job.assembly.abandon();
    job.damage.clear();  // nothing is left that could be read
    persist_let_go(step, job, true);
}

}  // namespace fanfold::gatherer
