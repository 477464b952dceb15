// Gatherers: which job is whose, what is safe there, and how jobs end.
#include "broker/core/core.hpp"

namespace fanfold::broker {

namespace {
constexpr Duration longest_assign_patience = std::chrono::seconds(30);
}

PeerId Core::choose_gatherer(const std::string& preferred) const {
    std::map<PeerId, std::size_t> jobs;
    for (const PeerId& peer : gatherers_) {
        if (sessions_.at(peer).gatherer.name == preferred) return peer;
        jobs[peer] = 0;
    }
    if (jobs.size() > 1)
        for (const JobId& id : running_)
            if (auto it = jobs.find(jobs_.at(id).gatherer); it != jobs.end()) ++it->second;
    PeerId best;
    for (const auto& [peer, count] : jobs)
        if (best.bytes.empty() || count < jobs.at(best)) best = peer;
    return best;
}

/// Tells the gatherer of its job, or of its total; and the owner where it is, unless it chose so
/// itself.
void Core::assign(Job& job) {
    if (job.gatherer.bytes.empty()) return;
    job.assign_patience = limits::resend_after;
    tell_gatherer(job);
    if (!job.owner.bytes.empty() &&
        (job.assignment > 1 || job.gatherer_ref.name != job.spec.preferred_gatherer))
        send(job.owner,
             wire::Located{
                 .job = job.id, .assignment = job.assignment, .gatherer = job.gatherer_ref});
}

/// A connection can break and heal with both ends alive, and nothing would show that an Assign was
/// lost: it is said again, ever more seldom.
void Core::assign_again(Job& job) {
    if (job.gatherer.bytes.empty() || now_ < job.assign_at) return;
    job.assign_patience = std::min<Duration>(job.assign_patience * 2, longest_assign_patience);
    tell_gatherer(job);
}

void Core::tell_gatherer(Job& job) {
    job.assign_at = now_ + job.assign_patience;
    wire::Assign message{.job = job.id,
                         .assignment = job.assignment,
                         .spec = job.spec,
                         .total = job.total,
                         .round = job.round,
                         .user = job.user};
    if (job.spec.deadline.count() > 0) {
        auto left = job.opened + job.spec.deadline - now_;
        message.spec.deadline =
            std::max(std::chrono::ceil<wire::Milliseconds>(left), wire::Milliseconds(1));
    }
    send(job.gatherer, std::move(message));
}

void Core::on_gathered(const PeerId& from, const wire::Gathered& gathered) {
    Job* job = find(gathered.job);
    if (!job) return send(from, wire::Forget{gathered.job});
    if (!job->running()) return send(from, job->end);  // it has not heard
    if (job->gatherer != from || gathered.round != job->round)
        return pass_over(from, "Gathered of another round, or of a job that another gathers",
                         gathered.job);
    job->held_bytes = gathered.held_bytes;
    for (const auto& [worker, range] : job->gathered(gathered.ranges))
        release(worker, job->id, range);
    if (options_.durable && !gathered.ranges.empty()) {
        unsaved_.insert(job->id);
        if (!flush_at_) flush_at_ = now_;  // with the end of this step
    } else if (!options_.durable) {
        job->payloads().take_freed();
    }
    apply_changes(*job);
    tell_credit(*job, false);
    note({.level = Level::trace,
          .what = "gathered",
          .job = job->id,
          .range = gathered.ranges.empty()
                       ? Range{}
                       : Range{gathered.ranges.front().begin, gathered.ranges.back().end}});
}

void Core::on_propose(const PeerId& from, const wire::Propose& propose) {
    Job* job = find(propose.job);
    if (!job) return send(from, wire::Forget{propose.job});
    if (!job->running()) {
        // Every value was in hand, and collectors know it: that wins over a cancel that was on its
        // way.
        bool wins = job->end.outcome == wire::Outcome::cancelled &&
                    propose.outcome == wire::Outcome::complete && propose.every_value;
        if (wins && job->gatherer == from && job->assignment == propose.assignment && job->total) {
            job->end.outcome = wire::Outcome::complete;
            job->end.reason.clear();
            job->end.missing.clear();
            job->end.values = *job->total;
            job->payloads().clear();
            account(*job);
            persist_end(*job);
        }
        return send(from, job->end);
    }
    if (job->gatherer != from || job->assignment != propose.assignment ||
        propose.outcome == wire::Outcome::running)
        return pass_over(from, "Propose of another assignment", propose.job);
    // Every value in hand says that all of it is gathered, and who has results is told to drop the
    // job.
    if (propose.every_value && propose.outcome == wire::Outcome::complete && job->total)
        (void)job->gathered({{0, *job->total}});
    std::string reason = propose.reason;
    if (propose.outcome == wire::Outcome::expired && !job->notice.empty())
        reason += "; " + job->notice;
    end(*job, propose.outcome, std::move(reason), propose.lost);
}

/// Sends final errors that the gatherer has not confirmed: the new ones, those told long ago, or
/// all.
void Core::send_errors(Job& job, bool all) {
    if (job.errors().empty() || job.gatherer.bytes.empty()) return;
    wire::Errors message{.job = job.id, .failures = {}};
    std::string outputs;
    std::size_t header = 0;
    auto flush = [&] {
        if (message.failures.empty()) return;
        send(job.gatherer, message, Slice::take(std::exchange(outputs, {})));
        message.failures.clear();
        header = 0;
    };
    for (auto& [index, error] : job.errors()) {
        bool due = all || !error.told || now_ - error.sent >= limits::resend_after;
        if (!due) continue;
        if (!error.told)
            persist(job.id, Row::error, index,
                    wire::Errors{.job = job.id, .failures = {error.failure}}, error.output);
        error.told = true;
        error.sent = now_;
        message.failures.push_back(error.failure);
        outputs += error.output.view();
        header += error.failure.message.size() + 100;
        if (header > limits::header_bytes / 4 || outputs.size() > limits::block_bytes) flush();
    }
    flush();
}

void Core::lose_gatherer(const PeerId& peer, const Session&) {
    gatherer_missed_ = lived_.now();
    for (const JobId& id : running_) {
        Job& job = *find(id);
        if (job.gatherer != peer) continue;
        job.gatherer.bytes.clear();
        pools_.park(job);
        orphaned_.try_emplace(id, lived_.now());
    }
}

/// A gatherer has joined: the jobs that were its own go on with it; those whose results it lost
/// with its memory end.
void Core::adopt_gatherer(const PeerId& peer, const Session& session) {
    std::vector<JobId> lost;
    for (const JobId& id : running_) {
        Job& job = *find(id);
        if (job.gatherer_ref.name != session.gatherer.name) continue;
        bool same_life = job.gatherer_ref.epoch == session.gatherer.epoch;
        bool forgot = lost_memory(job.gatherer_ref.epoch, session.gatherer.epoch);
        if (forgot && job.safe_count() + job.failed_count() > 0) {
            lost.push_back(id);
            continue;
        }
        orphaned_.erase(id);
        job.gatherer = peer;
        job.gatherer_ref = session.gatherer;
        if (!same_life) {  // workers send again what they kept: to a gatherer that has nothing yet,
                           // or goes on from its store
            if (forgot) ++job.assignment;
            persist_location(job);
            for (const PeerId& worker : job.knowing)
                if (sessions_.contains(worker))
                    send(worker, wire::SendAgain{.job = id,
                                                 .assignment = job.assignment,
                                                 .gatherer = job.gatherer_ref,
                                                 .ranges = {{0, job.next()}}});
        }
        assign(job);
        send_errors(job, true);
        ready(job);
    }
    for (const JobId& id : lost)
        end(*find(id), wire::Outcome::failed,
            "its gatherer " + session.gatherer.name +
                " was started again and has lost the results in its memory",
            true);
    next_burial_ = now_;
}

void Core::end_orphans() {
    std::vector<JobId> lost;
    for (const auto& [id, since] : orphaned_) {
        bool keeps = find(id)->gatherer_ref.epoch.number > 0;
        if (lived_.now() - since >
            (keeps ? Duration(limits::gatherer_patience) : 2 * options_.worker_timeout))
            lost.push_back(id);
    }
    for (const JobId& id : lost) {
        Job& job = *find(id);
        bool keeps = job.gatherer_ref.epoch.number > 0;
        end(job, wire::Outcome::failed,
            "its gatherer " + job.gatherer_ref.name +
                (keeps ? " is gone, and did not come back in 10 minutes"
                       : " is gone, with the results in its memory"),
            true);
    }
}

}  // namespace fanfold::broker
