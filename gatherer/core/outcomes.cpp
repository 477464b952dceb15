#include "gatherer/core/outcomes.hpp"

#include <algorithm>

#include "gatherer/core/limits.hpp"

namespace fanfold::gatherer {

namespace {

constexpr auto broker_lost_its_memory = "the broker lost its memory (it was started again)";

}  // namespace

// A wall clock that was put back gives no more time than the job had.
void Outcomes::start_deadline(const Step& step, const Job& job) {
    timers_.disarm_all(job.id);
    if (auto deadline = deadline_of(job.assembly.spec()))
        timers_.arm(TimerKind::deadline, job.id,
                    std::min(job.life.round().opened, step.now) + *deadline);
}

void Outcomes::settle(Step& step, Job& job, bool deadline_reached) {
    if (!job.life.gathering()) return;
    const Counts counts = job.assembly.counts(deadline_reached);
    auto verdict = judge(job.assembly.spec(), counts);
    if (!verdict) return;
    if (verdict->outcome == wire::Outcome::complete && counts.every_value()) {
        conclude(step, job, *std::move(verdict), {});
    } else {
        job.life.propose(*std::move(verdict), false);
        parts_.persistence.put_proposal(step, job);
    }
    parts_.confirmations.flush_unless_empty(step, job);
    propose(step, job);
}

void Outcomes::propose_lost(Step& step, Job& job, std::string reason) {
    job.life.propose({.outcome = wire::Outcome::failed, .reason = std::move(reason)}, true);
    parts_.persistence.put_proposal(step, job);
    parts_.confirmations.flush_unless_empty(step, job);
    propose(step, job);
}

void Outcomes::propose(Step& step, const Job& job) {
    timers_.arm(TimerKind::propose, job.id, step.now + limits::resend_after);
    propose_once(step, job);
}

void Outcomes::propose_once(Step& step, const Job& job) {
    const Verdict& verdict = job.life.verdict();
    parts_.broker.send(step,
                       wire::Propose{.job = job.id,
                                     .assignment = job.life.round().assignment,
                                     .outcome = verdict.outcome,
                                     .reason = verdict.reason,
                                     .every_value = verdict.outcome == wire::Outcome::complete &&
                                                    job.assembly.counts(false).every_value(),
                                     .lost = job.life.lost()});
}

void Outcomes::on_ended(Step& step, Job& job, const wire::Ended& ended) {
    const Life::Round& round = job.life.round();
    bool of_earlier_round = round.number > 0 && ended.assignment < round.assignment;
    if (job.life.answered() || ended.outcome == wire::Outcome::running || of_earlier_round) return;
    timers_.disarm(TimerKind::propose, job.id);
    if (!job.life.ended()) {
        if (ended.total && !job.assembly.total()) {
            job.assembly.seal(*ended.total);
            parts_.persistence.put_job(step, job);
        }
        conclude(step, job, {.outcome = ended.outcome, .reason = ended.reason}, ended.missing);
    } else if (ended.outcome != job.life.verdict().outcome) {
        // Complete with every value in hand won over whatever was on its way.
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "another outcome for a job that is complete ignored",
                                    .job = job.id,
                                    .detail = wire::to_string(ended.outcome)});
    }
    job.life.answer();
    parts_.confirmations.drop(job);
    parts_.persistence.put_answered(step, job, ended.outcome);
}

void Outcomes::orphan(Step& step, Job& job) {
    if (!job.life.ended())
        conclude(step, job, {.outcome = wire::Outcome::failed, .reason = broker_lost_its_memory},
                 {});
    timers_.disarm(TimerKind::propose, job.id);
    parts_.confirmations.drop(job);
    if (!job.life.orphan()) return;
    start_expiry(job, step.now);
    parts_.persistence.put_orphaned(step, job);
}

void Outcomes::start_expiry(const Job& job, Time orphaned) {
    timers_.arm(TimerKind::expiry, job.id, orphaned + parts_.keep);
}

void Outcomes::conclude(Step& step, Job& job, Verdict verdict,
                        const std::vector<wire::Missing>& from_broker) {
    timers_.disarm(TimerKind::deadline, job.id);
    if (job.life.lost()) abandon(step, job);
    parts_.memory.account(job);
    job.life.conclude(std::move(verdict),
                      job.assembly.receipts().list_missing(job.assembly.total(), from_broker));
    parts_.persistence.put_outcome(step, job);
    std::string detail = wire::to_string(job.life.verdict().outcome);
    if (!job.life.verdict().reason.empty()) detail += ": " + job.life.verdict().reason;
    step.actions.push_back(Note{.level = Level::info,
                                .what = "job ended",
                                .job = job.id,
                                .took = step.now - job.life.round().opened,
                                .detail = std::move(detail)});
    parts_.collecting.pump(step, job);
}

void Outcomes::abandon(Step& step, Job& job) {
    for (const auto& [first, entry] : job.assembly.entries())
        parts_.persistence.note_let_go(job, entry);
    job.assembly.abandon();
    parts_.persistence.put_let_go(step, job, true);
}

}  // namespace fanfold::gatherer
