#include "broker/core/gathering.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "broker/core/choice.hpp"

namespace fanfold::broker {

namespace {
/// Unless the job may be taken over from the gatherer.
void forget_there(Step& step, const Owners& owners, const PeerId& gatherer, const JobId& job) {
    if (!owners.sessions.at(gatherer).knows_holds() || owners.retention.has_tombstone(job))
        step.send(gatherer, wire::Forget{job});
}
}  // namespace

// --- which job is whose

void Gathering::open(Job& job) {
    Assignment& assignment = *job.assignment.write();
    assignment.gatherer = choose_gatherer(owners_, job.spec->preferred_gatherer);
    assignment.known = owners_.sessions.at(assignment.gatherer).gatherer;
}

wire::Located Gathering::located(const Job& job) {
    return {.job = job.id, .assignment = job.assignment->number, .gatherer = job.assignment->known};
}

bool is_elsewhere(const Job& job) {
    return job.assignment->number > 1 || job.assignment->known.name != job.spec->preferred_gatherer;
}

void Gathering::assign(Step& step, Job& job) {
    if (job.assignment->gatherer.bytes.empty()) return;
    job.assignment.write()->patience = limits::resend_after;
    tell(step, job);
    if (const PeerId& owner = job.client->peer; !owner.bytes.empty() && is_elsewhere(job))
        step.send(owner, located(job));
}

void Gathering::assign_again(Step& step, Job& job) {
    Assignment& assignment = *job.assignment.write();
    if (assignment.gatherer.bytes.empty() || assignment.moves || step.now < assignment.again_at)
        return;
    assignment.patience =
        std::min<Duration>(assignment.patience * 2, limits::longest_resend_patience);
    tell(step, job);
}

void Gathering::tell(Step& step, Job& job) {
    Assignment& assignment = *job.assignment.write();
    assignment.again_at = step.now + assignment.patience;
    wire::Assign message{.job = job.id,
                         .assignment = assignment.number,
                         .spec = *job.spec,
                         .total = job.total(),
                         .round = job.life->round,
                         .user = job.user,
                         .again = assignment.again};
    // Those are for who runs it.
    message.spec.environment.clear();
    message.spec.cwd.clear();
    message.spec.cwd_identity.clear();
    message.spec.require.clear();
    message.spec.resources.clear();
    if (job.spec->deadline.count() > 0) {
        auto left = job.life->opened + job.spec->deadline - step.now;
        message.spec.deadline =
            std::max(std::chrono::ceil<wire::Milliseconds>(left), wire::Milliseconds(1));
    }
    step.send(assignment.gatherer, std::move(message));
}

// --- what gatherers say

Job* Gathering::on_gathered(Step& step, const PeerId& from, const wire::Gathered& gathered) {
    Job* job = owners_.jobs.find(gathered.job);
    if (!job) return forget_there(step, owners_, from, gathered.job), nullptr;
    if (!job->running()) return step.send(from, job->life->end), nullptr;  // it has not heard
    if (job->assignment->gatherer != from || gathered.round != job->life->round) {
        owners_.conduct.pass_over(step, from,
                                  "Gathered of another round, or of a job that another gathers",
                                  gathered.job);
        return nullptr;
    }
    job->assignment.write()->held_bytes = gathered.held_bytes;
    const bool had_errors = !job->books.errors().empty();
    for (const auto& [worker, range] : job->books.gathered(gathered.ranges, gathered.failed))
        owners_.outbox.release(step, worker, job->id, range);
    if (had_errors && job->books.errors().empty()) Dispatcher::await_verdict(step.now, *job);
    if (owners_.options.durable && !gathered.ranges.empty()) {
        owners_.payloads.note_safe(*job);
        owners_.outbox.hurry_releases(step);  // what is let go of must be known to be safe first
    }
    owners_.dispatcher.apply(step, *job);
    owners_.errors.flush(step, *job);
    step.note({.level = Level::trace,
               .what = "gathered",
               .job = job->id,
               .range = gathered.ranges.empty()
                            ? Range{}
                            : Range{gathered.ranges.front().begin, gathered.ranges.back().end}});
    return job;
}

void Gathering::on_marked(Step& step, const PeerId& from, wire::Marked marked) const {
    if (marked.owner.bytes.empty()) {
        Job* job = owners_.jobs.find_running(marked.job);
        if (job && job->assignment->gatherer == from) owners_.errors.on_marked(step, *job, marked);
        return;
    }
    const PeerId worker = std::exchange(marked.owner, {});
    const Session* session = owners_.sessions.find(worker);
    if (!session || session->role != wire::Role::worker) return;
    owners_.payloads.flush_safe(step);
    owners_.outbox.flush_releases(step);
    step.send(worker, std::move(marked));
}

void Gathering::tell_clients(Step& step, const Job& job) const {
    std::string text = why_waiting(job);
    if (text.empty()) text = "gatherer " + job.assignment->known.name + " goes on with it";
    tell_clients(step, job, wire::Notice{.job = job.id, .text = std::move(text)});
}

void Gathering::tell_clients(Step& step, const Job& job, const wire::Message& message) const {
    std::set<PeerId> clients = job.life->watchers;
    clients.insert(job.client->peer);
    for (const PeerId& client : clients)
        if (owners_.sessions.find(client)) step.send(client, message);
}

std::string Gathering::why_waiting(const Job& job) const {
    const std::string who = "gatherer " + job.assignment->known.name;
    const Session* session = owners_.sessions.find(job.assignment->gatherer);
    if (!session) return who + " is away; it is waited for";
    return session->trouble.empty() ? "" : who + " stores nothing at present: " + session->trouble;
}

void Gathering::tell_of_absence(Step& step, Job& job) {
    Assignment& assignment = *job.assignment.write();
    if (!assignment.orphaned || assignment.told_away ||
        step.lived - *assignment.orphaned < limits::absence_told_after)
        return;
    assignment.told_away = true;
    tell_clients(step, job);
}

bool Gathering::wins_over_cancel(const Job& job, const PeerId& from,
                                 const wire::Propose& propose) const {
    return job.life->end.outcome == wire::Outcome::cancelled &&
           propose.outcome == wire::Outcome::complete && propose.every_value &&
           job.assignment->gatherer == from && job.assignment->number == propose.assignment &&
           job.total();
}

void Gathering::on_propose(Step& step, const PeerId& from, const wire::Propose& propose) {
    Job* job = owners_.jobs.find(propose.job);
    if (!job) return forget_there(step, owners_, from, propose.job);
    if (!job->running()) {
        if (wins_over_cancel(*job, from, propose)) owners_.endings.complete(step, *job);
        return step.send(from, job->life->end);
    }
    if (job->assignment->gatherer != from || job->assignment->number != propose.assignment ||
        propose.outcome == wire::Outcome::running)
        return owners_.conduct.pass_over(step, from, "Propose of another assignment", propose.job);
    // Every value in hand says that all of it is gathered, and who has results is told to drop the
    // job.
    if (propose.every_value && propose.outcome == wire::Outcome::complete && job->total())
        (void)job->books.gathered({{0, *job->total()}});
    std::string reason = propose.reason;
    if (propose.outcome == wire::Outcome::expired && !job->client->notice.empty())
        reason += "; " + job->client->notice;
    owners_.endings.end(
        step, *job,
        {.outcome = propose.outcome, .reason = std::move(reason), .lost = propose.lost});
}

// --- lost, and found again

void Gathering::lose(const Step& step, const PeerId& peer) {
    missed_ = step.lived;
    for (const JobId& id : owners_.jobs.running()) {
        Job& job = owners_.jobs.at(id);
        if (job.assignment->gatherer != peer) continue;
        Assignment& assignment = *job.assignment.write();
        assignment.gatherer.bytes.clear();
        if (!assignment.orphaned) assignment.orphaned = step.lived;
        owners_.dispatcher.park(job);
    }
}

void Gathering::tell_workers(Step& step, const Job& job) const {
    for (const PeerId& worker : job.standing->knowing)
        if (owners_.sessions.find(worker))
            step.send(worker, wire::SendAgain{.job = job.id,
                                              .assignment = job.assignment->number,
                                              .gatherer = job.assignment->known,
                                              .ranges = {{0, job.books.next()}}});
}

void Gathering::distrust_revoked(Step& step) {
    for (auto& [id, job] : owners_.jobs.all()) {
        wire::GathererRef& known = job.assignment.write()->known;
        if (known.public_key.empty() || owners_.users.may_gather(known.public_key)) continue;
        known.results.clear();
        known.collect.clear();
        known.public_key.clear();
        if (job.running()) owners_.persistence.located(step, job);
        tell_workers(step, job);
        tell_clients(step, job, located(job));
    }
}

void Gathering::adopt(Step& step, const PeerId& peer) {
    const wire::GathererRef gatherer = owners_.sessions.at(peer).gatherer;
    const bool knows_holds = owners_.sessions.at(peer).knows_holds();
    std::vector<JobId> lost;
    for (const JobId& id : owners_.jobs.running()) {
        Job& job = owners_.jobs.at(id);
        Assignment& assignment = *job.assignment.write();
        if (assignment.known.name != gatherer.name) continue;
        bool same_life = assignment.known.epoch == gatherer.epoch;
        bool forgot = lost_memory(assignment.known.epoch, gatherer.epoch);
        if (forgot && !knows_holds && !job.books.settled().both().empty()) {
            lost.push_back(id);
            continue;
        }
        assignment.orphaned.reset();
        assignment.again = true;
        assignment.moves = false;
        assignment.compared = !knows_holds;
        assignment.gatherer = peer;
        assignment.known = gatherer;
        if (std::exchange(assignment.told_away, false)) tell_clients(step, job);
        if (!same_life) {  // workers send again what they kept: to a gatherer that has nothing yet,
                           // or goes on from its store
            if (forgot) ++assignment.number;
            owners_.persistence.located(step, job);
            tell_workers(step, job);
        }
        assign(step, job);
        owners_.errors.flush(step, job, true);
        owners_.dispatcher.ready(step.now, job);
    }
    for (const JobId& id : lost)
        owners_.endings.end(step, owners_.jobs.at(id),
                            {.reason = "its gatherer " + gatherer.name +
                                       " was started again and has lost the results in its memory",
                             .lost = true});
}

void Gathering::follow(Step& step, Job& job, const wire::GathererRef& gatherer) {
    wire::GathererRef& known = job.assignment.write()->known;
    const bool moved = known.results != gatherer.results || known.collect != gatherer.collect ||
                       known.public_key != gatherer.public_key;
    known = gatherer;
    if (moved) owners_.persistence.located(step, job);
}

void Gathering::take_number(Step& step, Job& job, std::uint32_t number) {
    job.assignment.write()->number = number;
    owners_.persistence.located(step, job);
    if (job.running()) assign(step, job);
}

// --- from one gatherer to another

void Gathering::set_moving(Step& step, Job& job, bool moving) {
    Assignment& assignment = *job.assignment.write();
    if (!job.running() || assignment.moves == moving) return;
    assignment.moves = moving;
    if (assignment.gatherer.bytes.empty()) return;
    assignment.compared = !moving;
    if (moving) return owners_.dispatcher.park(job);
    owners_.errors.flush(step, job, true);
    owners_.dispatcher.ready(step.now, job);
}

void Gathering::reassign(Step& step, Job& job, const PeerId& gatherer, std::uint32_t number) {
    Assignment& assignment = *job.assignment.write();
    assignment.number = number;
    assignment.orphaned.reset();
    assignment.moves = false;
    assignment.compared = false;
    assignment.again = true;
    assignment.gatherer = gatherer;
    assignment.known = owners_.sessions.at(gatherer).gatherer;
    assignment.patience = limits::resend_after;
    owners_.persistence.located(step, job);
    tell(step, job);
    tell_clients(step, job, located(job));
    if (!job.running()) return;
    tell_workers(step, job);
    owners_.errors.flush(step, job, true);
}

std::string Gathering::why_orphaned(const Job& job, LivedTime lived) const {
    const Assignment& assignment = *job.assignment;
    const Duration patience = keeps_results(job) ? Duration(limits::gatherer_patience)
                                                 : 2 * owners_.options.worker_timeout;
    if (!assignment.orphaned || lived - *assignment.orphaned <= patience) return {};
    return "its gatherer " + assignment.known.name +
           (keeps_results(job) ? " is gone, and did not come back in 10 minutes"
                               : " is gone, with the results in its memory");
}

bool Gathering::is_awaited_of_another(const std::string& name, const std::string& user) const {
    return std::ranges::any_of(owners_.jobs.running(), [&](const JobId& id) {
        const Assignment& assignment = *owners_.jobs.at(id).assignment;
        return assignment.orphaned && assignment.known.name == name &&
               owners_.users.is_key_of_another(assignment.known.public_key, user);
    });
}

// --- another round

std::string Gathering::why_lost(const Job& job) const {
    auto peer = owners_.sessions.gatherer_named(job.assignment->known.name);
    if (!peer || job.books.settled().safe().empty()) return {};
    const Session& session = owners_.sessions.at(*peer);
    if (!lost_memory(job.assignment->known.epoch, session.gatherer.epoch)) return {};
    return "its gatherer " + session.name +
           " was started again and has lost the values that it had; submit it again";
}

void Gathering::reopen(const Step& step, Job& job) {
    Assignment& assignment = *job.assignment.write();
    assignment.compared = true;
    ++assignment.number;
    auto peer = owners_.sessions.gatherer_named(assignment.known.name);
    assignment.gatherer = peer.value_or(PeerId{});
    assignment.orphaned.reset();
    if (peer) assignment.known = owners_.sessions.at(*peer).gatherer;
    else assignment.orphaned = step.lived;
}

}  // namespace fanfold::broker
