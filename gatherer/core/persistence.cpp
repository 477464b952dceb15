// What outlives the process: rows for each change of a job, and the jobs made again from rows.
#include <algorithm>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::gatherer {

namespace {

using std::chrono::milliseconds;

// Rows of let_go are written when so much of a job is let go of; what is not in them yet is held
// again by the next life, until its collectors acknowledge it to that.
constexpr std::size_t let_go_entries = 64;
constexpr std::uint64_t let_go_bytes = 1 << 20;
constexpr std::size_t let_go_ranges = 10'000;  // in one row

constexpr std::uint64_t latest = 9'000'000'000'000;  // milliseconds since 1970 that fit a Time

/// One entry as a row of its own.
wire::Message message_of(const JobId& job, Index first, const Entry& entry) {
    if (entry.failure)
        return wire::Failures{
            .job = job, .position = entry.sequence + 1, .failures = {*entry.failure}};
    return wire::Values{.job = job,
                        .position = entry.sequence + 1,
                        .first = first,
                        .count = entry.count,
                        .meta = entry.meta};
}

constexpr std::uint64_t number_of_proposal(std::uint32_t round, bool lost) {
    return 2 * std::uint64_t{round} + (lost ? 1 : 0);
}

tl::unexpected<Error> makes_no_sense(const Record& record) {
    return fail("row " + std::to_string(record.kind) + "." + std::to_string(record.number) +
                " of job " + to_string(record.job) +
                " makes no sense to this release; run the one that wrote it, or name another "
                "folder with --state");
}

}  // namespace

std::uint64_t Core::milliseconds_since_1970(Time time) const {
    auto since =
        std::chrono::duration_cast<milliseconds>(time.time_since_epoch()) + options_.steady_began;
    return since.count() < 0 ? 0 : static_cast<std::uint64_t>(since.count());
}

Time Core::time_of(std::uint64_t number) const {
    return Time{} + (milliseconds(static_cast<std::int64_t>(std::min(number, latest))) -
                     options_.steady_began);
}

void Core::persist(Step& step, const JobId& job, Row kind, std::uint64_t number,
                   const wire::Message& message, const Slice& body) {
    if (!options_.durable) return;
    waiting_bytes_ += body.size();
    step.actions.push_back(Persist{.change = Record::Change::put,
                                   .job = job,
                                   .kind = static_cast<std::uint8_t>(kind),
                                   .number = number,
                                   .data = wire::encode(message),
                                   .body = body});
}

void Core::persist_job(Step& step, const Job& job) {
    if (!options_.durable) return;
    persist(step, job.id, Row::job, job.assigned_at,
            wire::Assign{.job = job.id,
                         .assignment = job.assignment,
                         .spec = job.assembly.spec(),
                         .total = job.assembly.total(),
                         .round = job.round,
                         .user = job.user});
}

void Core::persist_entries(Step& step, const Job& job, std::uint64_t from_sequence) {
    if (!options_.durable) return;
    const auto& order = job.assembly.order();
    for (auto at = order.lower_bound(from_sequence); at != order.end(); ++at) {
        const Entry& entry = job.assembly.entries().at(at->second);
        persist(step, job.id, Row::entry, at->first, message_of(job.id, at->second, entry),
                entry.body);
    }
}

// First what is true from now on, then the erasing: a cut in between leaves rows that the next life
// passes over.
void Core::persist_let_go(Step& step, Job& job, bool all) {
    bool enough = all || job.let_go.size() >= let_go_entries || job.let_go_bytes >= let_go_bytes;
    if (!options_.durable || job.let_go.empty() || !enough) return;
    persist(step, job.id, Row::sequence, 0,
            wire::Acknowledge{.job = job.id, .position = job.assembly.next_sequence()});
    constexpr auto count = static_cast<std::size_t>(LetGo::count);
    for (std::size_t what = 0; what < count; ++what) {
        auto ranges = job.assembly.let_go(static_cast<LetGo>(what)).ranges();
        std::uint64_t number = what;
        for (std::size_t at = 0; at < ranges.size(); at += let_go_ranges, number += count) {
            auto begin = ranges.begin() + static_cast<std::ptrdiff_t>(at);
            auto end =
                begin + static_cast<std::ptrdiff_t>(std::min(let_go_ranges, ranges.size() - at));
            persist(step, job.id, Row::let_go, number,
                    wire::Gathered{.job = job.id, .ranges = {begin, end}, .round = job.round});
        }
    }
    for (std::uint64_t sequence : std::exchange(job.let_go, {}))
        erase_row(step, job.id, Row::entry, sequence);
    job.let_go_bytes = 0;
}

void Core::persist_proposal(Step& step, const Job& job) {
    persist(step, job.id, Row::proposal, number_of_proposal(job.round, job.lost),
            wire::Propose{.job = job.id,
                          .assignment = job.assignment,
                          .outcome = job.verdict.outcome,
                          .reason = job.verdict.reason,
                          .lost = job.lost});
}

void Core::persist_outcome(Step& step, const Job& job) {
    if (!options_.durable) return;
    persist(step, job.id, Row::outcome, job.round,
            wire::Concluded{.job = job.id,
                            .outcome = job.verdict.outcome,
                            .reason = job.verdict.reason,
                            .total = job.assembly.total(),
                            .values = job.assembly.values(),
                            .failures = job.assembly.failures(),
                            .late = job.late.size(),
                            .missing = job.missing});
}

void Core::persist_erasure(Step& step, const JobId& id) {
    if (options_.durable)
        step.actions.push_back(Persist{.change = Record::Change::erase_job, .job = id});
}

void Core::erase_row(Step& step, const JobId& job, Row kind, std::uint64_t number) {
    if (!options_.durable) return;
    step.actions.push_back(Persist{.change = Record::Change::erase,
                                   .job = job,
                                   .kind = static_cast<std::uint8_t>(kind),
                                   .number = number});
}

// First what is true from now on, then the erasing: with the job's row the new round begins, and
// what is left of the old one is known by its round, or by coming before the new one's first
// sequence.
void Core::persist_round(Step& step, const Job& job, const OldRound& old) {
    if (!options_.durable) return;
    wire::Acknowledge start{.job = job.id, .position = job.round_start};
    persist(step, job.id, Row::sequence, 0, start);
    persist(step, job.id, Row::sequence, job.round, start);
    persist_job(step, job);
    if (old.assigned_at != job.assigned_at) erase_row(step, job.id, Row::job, old.assigned_at);
    if (old.round > 0) erase_row(step, job.id, Row::sequence, old.round);
    for (std::uint64_t number : old.let_go) erase_row(step, job.id, Row::let_go, number);
    for (std::uint64_t sequence : old.failures) erase_row(step, job.id, Row::entry, sequence);
    for (bool lost : {false, true})
        erase_row(step, job.id, Row::proposal, number_of_proposal(old.round, lost));
    erase_row(step, job.id, Row::outcome, old.round);
    erase_row(step, job.id, Row::answered, old.round);
    if (old.orphaned_at != 0) erase_row(step, job.id, Row::orphaned, old.orphaned_at);
}

Core::OldRound::OldRound(const Job& job)
    : assigned_at(job.assigned_at), round(job.round), orphaned_at(job.orphaned_at) {
    constexpr auto count = static_cast<std::size_t>(LetGo::count);
    for (std::size_t what = 0; what < count; ++what) {
        if (static_cast<LetGo>(what) == LetGo::values) continue;
        std::size_t ranges = job.assembly.let_go(static_cast<LetGo>(what)).ranges().size();
        std::uint64_t number = what;
        for (std::size_t at = 0; at < ranges; at += let_go_ranges, number += count)
            let_go.push_back(number);
    }
}

Result<void> Core::restore(const Record& record) {
    auto restored = restore_row(record);
    if (Job* job = find(record.job)) account(*job);
    make_room();
    return restored;
}

Result<void> Core::restore_row(const Record& record) {
    auto message = wire::decode(record.data);
    if (!message) return makes_no_sense(record);
    if (auto* welcome = std::get_if<wire::Welcome>(&*message)) {
        session_.restore(welcome->epoch);
        return {};
    }
    if (auto* assign = std::get_if<wire::Assign>(&*message); assign && assign->job == record.job)
        return restore_job(record, std::move(*assign));
    Job* job = find(record.job);
    if (!job) return makes_no_sense(record);
    return restore_of(*job, record, *std::move(message));
}

// Of a job that was retried there may be the rows of two rounds; the later counts.
Result<void> Core::restore_job(const Record& record, wire::Assign assign) {
    std::vector<std::pair<Row, std::uint64_t>> stale;
    if (Job* known = find(record.job)) {
        if (known->round == assign.round) return makes_no_sense(record);
        if (known->round > assign.round)
            return known->stale.emplace_back(Row::job, record.number), Result<void>{};
        stale.emplace_back(Row::job, known->assigned_at);
        erase(record.job);
    }
    auto& job = jobs_[record.job] = std::make_unique<Job>(record.job, std::move(assign.spec));
    job->user = std::move(assign.user);
    job->assignment = assign.assignment;
    job->round = assign.round;
    job->assigned_at = record.number;
    job->opened = time_of(record.number);
    job->stale = std::move(stale);
    if (assign.total) job->assembly.restore_total(*assign.total);
    return {};
}

/// Whether the row is of an earlier round than the job, and means nothing any more.
bool Core::is_stale(const Job& job, const Record& record, const wire::Message& message) {
    switch (static_cast<Row>(record.kind)) {
        case Row::sequence: return record.number != 0 && record.number != job.round;
        case Row::let_go: {
            bool values = record.number % static_cast<std::uint64_t>(LetGo::count) ==
                          static_cast<std::uint64_t>(LetGo::values);
            auto* let_go = std::get_if<wire::Gathered>(&message);
            return !values && let_go && let_go->round != job.round;
        }
        case Row::entry:
            return std::holds_alternative<wire::Failures>(message) &&
                   record.number < job.round_start;
        case Row::proposal: return record.number / 2 != job.round;
        case Row::outcome:
        case Row::answered: return record.number != job.round;
        case Row::orphaned: return job.phase != Phase::ended;  // a job that nobody knows has ended
        case Row::broker:
        case Row::job: return false;
    }
    return false;
}

Result<void> Core::restore_of(Job& job, const Record& record, wire::Message message) {
    if (is_stale(job, record, message)) {
        job.stale.emplace_back(static_cast<Row>(record.kind), record.number);
        if (static_cast<Row>(record.kind) == Row::entry)
            job.assembly.restore_next_sequence(record.number + 1);
        return {};
    }
    bool sound = true;
    if (auto* sequence = std::get_if<wire::Acknowledge>(&message)) {
        sound = sequence->position <= Assembly::last_sequence;
        if (sound) job.assembly.restore_next_sequence(sequence->position);
        if (record.number != 0) job.round_start = sequence->position;
    } else if (auto* let_go = std::get_if<wire::Gathered>(&message)) {
        auto what = static_cast<LetGo>(record.number % static_cast<std::uint64_t>(LetGo::count));
        sound = job.assembly.restore_let_go(what, let_go->ranges);
    } else if (auto* values = std::get_if<wire::Values>(&message)) {
        sound = job.assembly.restore(values->first, {.sequence = record.number,
                                                     .count = values->count,
                                                     .body = record.body,
                                                     .meta = std::move(values->meta),
                                                     .failure = nullptr});
    } else if (auto* failures = std::get_if<wire::Failures>(&message)) {
        sound = failures->failures.size() == 1;
        if (sound) {
            auto failure = std::make_unique<wire::Failure>(std::move(failures->failures.front()));
            Index first = failure->index;
            sound = job.assembly.restore(first, {.sequence = record.number,
                                                 .count = 1,
                                                 .body = record.body,
                                                 .meta = {},
                                                 .failure = std::move(failure)});
        }
    } else if (auto* propose = std::get_if<wire::Propose>(&message)) {
        sound = propose->outcome != wire::Outcome::running;
        job.phase = Phase::proposed;
        job.lost = record.number % 2 == 1;
        job.verdict = {.outcome = propose->outcome, .reason = propose->reason};
    } else if (auto* concluded = std::get_if<wire::Concluded>(&message)) {
        sound = concluded->outcome != wire::Outcome::running;
        job.phase = Phase::ended;
        job.verdict = {.outcome = concluded->outcome, .reason = concluded->reason};
        job.missing = std::move(concluded->missing);
    } else if (std::holds_alternative<wire::Ended>(message)) {
        job.answered = job.phase == Phase::ended;
    } else if (std::holds_alternative<wire::Forget>(message)) {
        job.orphaned = true;
        job.answered = job.phase == Phase::ended;
        job.orphaned_at = record.number;
        timers_.arm(TimerKind::expiry, record.job, time_of(record.number) + options_.keep);
    } else {
        sound = false;
    }
    return sound ? Result<void>{} : makes_no_sense(record);
}

void Core::finish_restoring(Step& step) {
    for (auto& [id, job] : jobs_) resume(step, *job);
    if (jobs_.empty()) return;
    step.actions.push_back(Note{.level = Level::info,
                                .what = "state read",
                                .detail = std::to_string(jobs_.size()) + " jobs, " +
                                          std::to_string(held_bytes_) + " bytes of results"});
    relieve_memory(step);
}

/// A job of an earlier life goes on where it was, its deadline still running. What that life cut
/// short is done now.
void Core::resume(Step& step, Job& job) {
    for (auto [kind, number] : std::exchange(job.stale, {})) erase_row(step, job.id, kind, number);
    switch (job.phase) {
        case Phase::gathering: {
            // A wall clock that was put back gives no more time than the job had.
            Time began = std::min(job.opened, step.now);
            if (auto deadline = deadline_of(job.assembly.spec()))
                timers_.arm(TimerKind::deadline, job.id, began + *deadline);
            settle(step, job);
            return;
        }
        case Phase::proposed: send_proposal(step, job); return;
        case Phase::ended:
            if (!job.answered) send_proposal(step, job);
            return;
    }
}

}  // namespace fanfold::gatherer
