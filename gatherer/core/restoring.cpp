#include "gatherer/core/restoring.hpp"

#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/overloaded.hpp"

namespace fanfold::gatherer {

namespace {

std::string name_of(const Record& record) {
    return "row " + std::to_string(record.kind) + "." + std::to_string(record.number) + " of job " +
           to_string(record.job);
}

}  // namespace

Job* Restoring::find(const JobId& id) const {
    auto job = restored_.jobs.find(id);
    return job == restored_.jobs.end() ? nullptr : job->second.get();
}

void Restoring::take(const Record& record) {
    auto fits = [&]<class T>(T& row) {
        if constexpr (OneOf<T, BrokerRow, JobRow>) {
            return restore(record, row);
        } else {
            Job* job = find(record.job);
            if (!job) return false;
            if (OneOf<T, ProposalRow, OutcomeRow, AnsweredRow> &&
                record.number != job->life.round().number)
                return pass_over(record);
            return restore(*job, record, row);
        }
    };
    auto row = read_row(record);
    if (!row) fail_job(record, row.error().text);
    else if (!std::visit(fits, *row)) fail_job(record, "it does not fit the job's other rows");
    if (Job* job = find(record.job)) memory_.account(*job);
    memory_.make_room();
}

/// A job of which nothing else is known gets a place, so that its end can be told.
void Restoring::fail_job(const Record& record, const std::string& why) {
    std::string text = "the gatherer's state is damaged: " + name_of(record) + " can't be read (" +
                       why + "); restore the folder from a backup, or run the job again";
    restored_.damage.push_back(text);
    ++unreadable_;
    if (static_cast<Row>(record.kind) == Row::broker) return;
    auto& job = restored_.jobs[record.job];
    if (!job) {
        Life::Round round;
        if (static_cast<Row>(record.kind) == Row::job)
            round.number = static_cast<std::uint32_t>(record.number);
        job = std::make_unique<Job>(
            Job::Start{.id = record.job, .user = {}, .spec = {}, .round = round});
    }
    bool nothing_is_left = job->life.ended() && job->life.lost();
    if (job->life.damage().empty() && !nothing_is_left) job->life.damage(std::move(text));
}

/// The row is of an earlier round than the job, and means nothing any more.
bool Restoring::pass_over(const Record& record) {
    restored_.stale[record.job].push_back({static_cast<Row>(record.kind), record.number});
    return true;
}

bool Restoring::restore(const Record&, BrokerRow& row) {
    restored_.broker = row.epoch;
    return true;
}

bool Restoring::restore(const Record& record, JobRow& row) {
    auto round = static_cast<std::uint32_t>(record.number);
    if (round != record.number || row.round_start > limits::last_sequence) return false;
    if (Job* known = find(record.job)) {
        if (known->life.round().number == round) return false;
        if (known->life.round().number > round) return pass_over(record);
        restored_.stale[record.job].push_back({Row::job, known->life.round().number});
        known->assembly.abandon();
        memory_.forget(*known);
    }
    auto& job = restored_.jobs[record.job];
    job = std::make_unique<Job>(Job::Start{.id = record.job,
                                           .user = std::move(row.user),
                                           .spec = std::move(row.spec),
                                           .round = {.assignment = row.assignment,
                                                     .number = round,
                                                     .start = row.round_start,
                                                     .opened = persistence_.time_of(row.opened)}});
    if (row.total) job->assembly.seal(*row.total);
    return true;
}

bool Restoring::restore(Job& job, const Record&, SequenceRow& row) {
    if (row.next > limits::last_sequence) return false;
    job.assembly.restore_next_sequence(row.next);
    return true;
}

bool Restoring::restore(Job& job, const Record& record, LetGoRow& row) {
    auto what = static_cast<LetGo>(record.number % static_cast<std::uint64_t>(LetGo::count));
    if (what != LetGo::values && row.round != job.life.round().number) return pass_over(record);
    return job.assembly.restore_let_go(what, row.ranges);
}

bool Restoring::restore(Job& job, const Record& record, EntryRow& row) {
    if (row.failure && record.number < job.life.round().start) {
        job.assembly.restore_next_sequence(record.number + 1);
        return pass_over(record);
    }
    Entry entry{.sequence = record.number,
                .count = row.count,
                .body = record.body,
                .meta = std::move(row.meta),
                .failure = nullptr};
    if (row.failure) entry.failure = std::make_unique<wire::Failure>(*std::move(row.failure));
    return job.assembly.restore(row.first, std::move(entry));
}

bool Restoring::restore(Job& job, const Record&, ProposalRow& row) {
    if (row.outcome == wire::Outcome::running || !job.life.gathering()) return false;
    job.life.propose({.outcome = row.outcome, .reason = std::move(row.reason)}, row.lost);
    return true;
}

bool Restoring::restore(Job& job, const Record&, OutcomeRow& row) {
    if (row.outcome == wire::Outcome::running || job.life.ended()) return false;
    job.life.conclude({.outcome = row.outcome, .reason = std::move(row.reason)},
                      std::move(row.missing));
    return true;
}

bool Restoring::restore(Job& job, const Record&, AnsweredRow&) {
    if (job.life.ended()) job.life.answer();
    return true;
}

bool Restoring::restore(Job& job, const Record& record, OrphanedRow& row) {
    if (!job.life.ended()) return pass_over(record);  // a job that nobody knows has ended
    job.life.orphan();
    restored_.orphaned[record.job] = persistence_.time_of(row.at);
    return true;
}

}  // namespace fanfold::gatherer
