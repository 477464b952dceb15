#include "broker/core/reconciling.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/error_batches.hpp"
#include "broker/state/text_bytes.hpp"

namespace fanfold::broker {

namespace {
std::string count_of(std::uint64_t number, const std::string& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
}

const char* why_less(const wire::GathererRef& gatherer) {
    return gatherer.has_store() ? ", as its state was put back to an older one"
                                : ", as it was started again without a store";
}
}  // namespace

// --- running jobs

void Reconciling::begin(Step& step, const PeerId& gatherer) {
    if (!owners_.sessions.at(gatherer).knows_holds()) return;
    gatherers_[gatherer];
    for (const JobId& id : owners_.jobs.running())
        if (owners_.jobs.at(id).assignment->gatherer == gatherer) compare(step, gatherer, id);
}

void Reconciling::compare(Step& step, const PeerId& gatherer, const JobId& job) {
    Comparison& comparison = gatherers_[gatherer].jobs[job];
    comparison = {};
    // An answer to another life of the broker, or from before, is none; nor is one to a batch of
    // errors.
    comparison.round = owners_.jobs.at(job).life->round;
    comparison.mark = (owners_.options.epoch.incarnation + ++comparisons_) | std::uint64_t{1} << 63;
    ask(step, gatherer, job, comparison);
}

void Reconciling::ask(Step& step, const PeerId& gatherer, const JobId& job,
                      Comparison& comparison) {
    comparison.patience = std::clamp<Duration>(comparison.patience * 2, limits::resend_after,
                                               limits::longest_resend_patience);
    comparison.again_at = step.now + comparison.patience;
    step.send(gatherer, wire::Mark{.job = job, .number = comparison.mark});
}

void Reconciling::on_gathered(const PeerId& gatherer, const wire::Gathered& gathered) {
    auto at = gatherers_.find(gatherer);
    if (at == gatherers_.end()) return;
    auto comparison = at->second.jobs.find(gathered.job);
    const Job* job = owners_.jobs.find(gathered.job);
    if (comparison == at->second.jobs.end() || !job || gathered.round != job->life->round) return;
    if (job->assignment->taken_over) return;  // there is nothing to compare
    for (Range range : gathered.ranges)
        if (Range known = overlap(range, {0, job->books.next()}); !known.empty())
            comparison->second.has.add(known);
}

void Reconciling::on_marked(Step& step, const PeerId& gatherer, const wire::Marked& marked) {
    auto at = gatherers_.find(gatherer);
    if (at == gatherers_.end() || !marked.owner.bytes.empty()) return;
    auto known = at->second.jobs.find(marked.job);
    if (known == at->second.jobs.end() || known->second.mark != marked.number) return;
    const Comparison comparison = std::move(known->second);
    at->second.jobs.erase(known);
    Job* job = owners_.jobs.find_running(marked.job);
    if (job && job->life->round == comparison.round) conclude(step, *job, comparison);
}

void Reconciling::conclude(Step& step, Job& job, const Comparison& comparison) {
    const Settled& settled = job.books.settled();
    if (job.assignment->taken_over)
        return owners_.endings.end(
            step, job,
            {.reason = "the broker has lost what it knew of the job, as its state is new or was "
                       "put back to an older one; gatherer " +
                       job.assignment->known.name + " has values of " +
                       count_of(settled.safe().size(), "fragment") + ": submit the others again"});
    RangeSet gone = settled.both();
    for (Range range : comparison.has.ranges()) gone.remove(range);
    for (const auto& [index, error] : settled.errors().all()) gone.remove({index, index + 1});
    Gathering::set_compared(job);
    if (!gone.empty()) run_again(step, job, gone);
    else owners_.dispatcher.ready(step.now, job);
}

void Reconciling::run_again(Step& step, Job& job, const RangeSet& gone) {
    step.note({.level = Level::warn,
               .what = "a gatherer has lost what was safe there",
               .job = job.id,
               .peer = job.assignment->known.name,
               .detail = "fragments " + to_string(gone.ranges())});
    RangeSet failed = job.books.settled().failed();
    const std::vector<Range> again = job.books.take_back(gone.ranges());
    const std::string what = "gatherer " + job.assignment->known.name +
                             " has lost what it had of " + count_of(gone.size(), "fragment") +
                             why_less(job.assignment->known);
    if (!job.payload->blocks.covers(again))
        return owners_.endings.end(
            step, job, {.reason = what + ", and their payloads are let go of: submit them again"});
    for (Range range : again) owners_.persistence.erase_errors(step, job.id, failed.within(range));
    owners_.payloads.need_again(job, again);
    owners_.errors.flush(step, job);
    owners_.outbox.hurry_releases(step);
    owners_.dispatcher.ready(step.now, job);
    owners_.gathering.tell_clients(step, job,
                                   wire::Notice{.job = job.id, .text = what + "; they run again"});
}

// --- jobs that one of both does not know

void Reconciling::on_holds(Step& step, const PeerId& gatherer, const wire::Holds& holds) {
    Gatherer& known = gatherers_[gatherer];
    const std::string& name = owners_.sessions.at(gatherer).gatherer.name;
    for (const wire::HeldJob& held : holds.jobs) {
        if (owners_.retention.has_tombstone(held.job)) {
            step.send(gatherer, wire::Forget{held.job});  // a copy, if it is not the one it reminds
        } else if (Job* job = owners_.jobs.find(held.job)) {
            known.values[held.job] = held.values;
            if (job->assignment->known.name != name) judge_copy(step, gatherer, *job, held);
            if (job->assignment->known.name == name) {
                follow_numbers(step, *job, held);
                erase_copies(step, *job);
            }
        } else if (known.asked.size() < limits::asked_jobs) {
            known.asked.insert(held.job);
        }
    }
    if (!holds.last) return;
    known.patience = {};
    describe(step, gatherer, known);
    take_copies(step, gatherer);
    look_for_lost(step, gatherer);
    known.values.clear();
    known.has_said_all = true;
    settle(gatherer);
}

/// As many at a time as one message takes; the others when these have come.
void Reconciling::describe(Step& step, const PeerId& gatherer, Gatherer& known) {
    known.patience = std::clamp<Duration>(known.patience * 2, limits::resend_after,
                                          limits::longest_resend_patience);
    known.again_at = step.now + known.patience;
    wire::Describe wanted;
    for (const JobId& job : known.asked)
        if (wanted.jobs.size() < limits::held_jobs) wanted.jobs.push_back(job);
    if (!wanted.jobs.empty()) step.send(gatherer, std::move(wanted));
}

/// Two gatherers know a job that went from one to the other; the later assignment has the higher
/// number. A gatherer could make up a number, though: one that is here and has the job keeps it.
void Reconciling::judge_copy(Step& step, const PeerId& gatherer, Job& job,
                             const wire::HeldJob& held) {
    const std::uint32_t number = job.assignment->number;
    if (held.assignment < number) return step.send(gatherer, wire::Forget{job.id});
    const auto owner = owners_.sessions.gatherer_named(job.assignment->known.name);
    if (!owner && held.assignment > number) return follow(step, job, gatherer, held.assignment);
    gatherers_.at(gatherer).copies[job.id] = held.assignment;
    if (owner && gatherers_.contains(*owner) && gatherers_.at(*owner).has_said_all)
        erase_copies(step, job);
}

void Reconciling::follow(Step& step, Job& job, const PeerId& gatherer, std::uint32_t number) {
    owners_.gathering.reassign(step, job, gatherer, number);
    if (job.running()) compare(step, gatherer, job.id);
    else owners_.endings.tell_again(step, job);
}

/// Its own gatherer has it.
void Reconciling::erase_copies(Step& step, const Job& job) {
    for (auto& [gatherer, known] : gatherers_) {
        auto copy = known.copies.find(job.id);
        if (copy == known.copies.end()) continue;
        if (copy->second <= job.assignment->number) step.send(gatherer, wire::Forget{job.id});
        known.copies.erase(copy);
    }
}

/// Of jobs that this gatherer should have, and has not.
void Reconciling::take_copies(Step& step, const PeerId& gatherer) {
    const std::string name = owners_.sessions.at(gatherer).gatherer.name;
    for (auto& [other, known] : gatherers_) {
        for (auto copy = known.copies.begin(); copy != known.copies.end();) {
            const auto [id, number] = *copy;
            Job* job = owners_.jobs.find(id);
            const bool is_here = job && job->assignment->known.name == name;
            if (is_here && number >= job->assignment->number) follow(step, *job, other, number);
            copy = job && !is_here ? std::next(copy) : known.copies.erase(copy);
        }
    }
}

/// It was assigned, or retried, more often than the broker knows.
void Reconciling::follow_numbers(Step& step, Job& job, const wire::HeldJob& held) {
    const std::uint32_t number = job.assignment->number, round = job.life->round;
    if (held.assignment <= number && held.round <= round) return;
    owners_.endings.take_round(job, std::max(held.round, round));
    owners_.gathering.take_number(step, job, std::max(held.assignment, number));
    if (!job.running()) owners_.endings.tell_again(step, job);
}

/// Of jobs that have ended.
void Reconciling::look_for_lost(Step& step, const PeerId& gatherer) {
    const std::map<JobId, std::uint64_t>& values = gatherers_.at(gatherer).values;
    const wire::GathererRef& known = owners_.sessions.at(gatherer).gatherer;
    std::uint64_t lost = 0;
    for (auto& [id, job] : owners_.jobs.all()) {
        if (job.running() || job.assignment->known.name != known.name) continue;
        owners_.gathering.follow(step, job, known);
        auto has = values.find(id);
        const bool less = has == values.end() ? owners_.endings.lose_results(step, job)
                                              : owners_.endings.lose_values(step, job, has->second);
        lost += less && !job.spec->attached ? 1 : 0;
    }
    if (lost > 0)
        step.note({.level = Level::warn,
                   .what = "a gatherer has lost values of jobs that have ended",
                   .peer = known.name,
                   .detail = count_of(lost, "job") + why_less(known)});
}

void Reconciling::on_described(Step& step, const PeerId& gatherer, wire::Described described) {
    const JobId id = described.assign.job;
    auto at = gatherers_.find(gatherer);
    if (at == gatherers_.end() || !at->second.asked.contains(id)) return;
    const bool wanted = !owners_.retention.has_tombstone(id) && !owners_.jobs.find(id);
    // What its user may have bounds what a gatherer can make up.
    const std::string& user = described.assign.user;
    std::string why;
    if (described.end.outcome == wire::Outcome::running) why = owners_.users.why_no_job(user);
    if (why.empty())
        why = owners_.users.why_no_description(user, text_bytes(described.assign.spec));
    if (wanted && !why.empty())  // it is asked for again later
        return step.note({.level = Level::debug,
                          .what = "a job is left to its gatherer for now",
                          .job = id,
                          .peer = owners_.sessions.at(gatherer).name,
                          .detail = why});
    at->second.asked.erase(id);
    settle(gatherer);
    if (!wanted) return;
    step.note({.what = "a job that was not known is taken over from its gatherer",
               .job = id,
               .peer = owners_.sessions.at(gatherer).name});
    Job& job = restoring_.adopt(step, gatherer, std::move(described));
    if (job.running()) compare(step, gatherer, id);
}

void Reconciling::on_forgotten(const PeerId& gatherer, const JobId& job) {
    if (auto at = gatherers_.find(gatherer); at != gatherers_.end() && at->second.asked.erase(job))
        settle(gatherer);
}

/// A key may be that of a job that is not described yet.
void Reconciling::settle(const PeerId& gatherer) {
    const Gatherer& known = gatherers_.at(gatherer);
    owners_.sessions.at(gatherer).told_jobs = known.has_said_all && known.asked.empty();
}

// --- time

void Reconciling::sweep(Step& step) {
    for (auto& [gatherer, known] : gatherers_) {
        if (known.has_said_all && !known.asked.empty() && step.now >= known.again_at)
            describe(step, gatherer, known);
        std::erase_if(known.jobs,
                      [&](const auto& item) { return !owners_.jobs.find_running(item.first); });
        for (auto& [job, comparison] : known.jobs)
            if (step.now >= comparison.again_at) ask(step, gatherer, job, comparison);
    }
}

void Reconciling::check_invariants() const {
    for (const auto& [gatherer, known] : gatherers_)
        FANFOLD_CHECK(owners_.sessions.gatherers().contains(gatherer));
}

}  // namespace fanfold::broker
