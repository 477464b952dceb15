#include "broker/dispatch/absences.hpp"

#include <algorithm>
#include <utility>

#include "broker/dispatch/loads.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

namespace {
/// Longer than any routing id.
PeerId name_of_absent(const Session& worker) {
    std::string name = std::to_string(worker.epoch.number) + "/" +
                       std::to_string(worker.epoch.incarnation) + "/" + worker.name + "/" +
                       worker.sender.user + "/";
    name.resize(name.size() + limits::routing_id_bytes, '-');
    return {name};
}

void add(std::vector<JobId>& all, const std::vector<JobId>& more) {
    all.insert(all.end(), more.begin(), more.end());
}
}  // namespace

Absences::Jobs Absences::begin(Step& step, const PeerId& peer, const Session& worker) {
    for (const JobId& id : worker.load->briefs)
        if (Job* job = owners_.jobs.find(id)) owners_.dispatcher.forget_brief(*job, peer);
    if (worker.load->jobs.empty()) return {};
    const PeerId absent = name_of_absent(worker);
    Session& session = owners_.sessions.add_absent(absent, worker);
    owners_.loads.take_over(session, worker);
    absent_.insert(absent);
    std::optional<Absence>& absence = *session.absence.write();
    absence.emplace().since = step.lived;
    std::ptrdiff_t lone = 0;
    Jobs concerned = worker.load->sorted_jobs();
    for (const JobId& id : concerned) {
        Job* job = owners_.jobs.find_running(id);
        if (!job) continue;
        lone += job->books.loans().lone(peer);
        absence->waiting[id] = patience(*job, worker, step.lived);
        job->books.rename_worker(peer, absent);
        owners_.dispatcher.apply(step, *job);
    }
    absence->in_company = lone > 1;
    if (is_replaced(worker)) return forget(step, absent, Verdict::it_died);
    make_room(step, concerned);
    sweep(step, absent, concerned);
    return concerned;
}

/// Until when it may come back and go on with what it has of the job.
LivedTime Absences::patience(const Job& job, const Session& worker, LivedTime lived) const {
    const Duration timeout = owners_.options.worker_timeout;
    switch (job.spec->rerun) {
        case wire::Rerun::never: return LivedTime::max();
        case wire::Rerun::after: return worker.heard + job.spec->rerun_after;
        case wire::Rerun::automatic: break;
    }
    const bool runs_long =
        owners_.estimates.each(job) >= static_cast<double>(timeout.count()) ||
        std::ranges::any_of(worker.load->lent, [&](const auto& lent) {
            return lent.first.job == job.id && lived - lent.second.sent >= timeout;
        });
    return runs_long ? worker.heard + timeout : worker.heard;
}

/// Whether another life of it has come since.
bool Absences::is_replaced(const Session& worker) const {
    return std::ranges::any_of(owners_.sessions.other_lives(worker), [&](const PeerId& peer) {
        const Session& other = owners_.sessions.at(peer);
        return !*other.absence && other.joined >= worker.joined;
    });
}

Absences::Jobs Absences::on_joined(Step& step, const Session& worker) {
    Jobs failed;
    for (const PeerId& peer : owners_.sessions.other_lives(worker))
        if (absent_.contains(peer)) add(failed, forget(step, peer, Verdict::it_died));
    return failed;
}

void Absences::end(Step& step, const PeerId& absent) {
    if (absent_.contains(absent)) forget(step, absent, Verdict::it_lives);
}

/// What it has goes back to the queue, unless it was taken over.
void Absences::give_up(Step& step, const PeerId& absent, Job& job, Death death) {
    Session& worker = owners_.sessions.at(absent);
    Absence& absence = **worker.absence.write();
    if (absence.in_company) death = Death::in_company;
    for (Index index : job.books.lose_worker({.worker = absent,
                       .name = worker.name,
                       .death = death,
                       .crash_limit = owners_.options.crash_limit},
                                             step.now))
        absence.accused.emplace_back(job.id, index);
    owners_.dispatcher.apply(step, job);
    owners_.loads.set_concern(worker, job.id, false);
}

Absences::Jobs Absences::forget(Step& step, PeerId absent, Verdict verdict) {
    Session& worker = owners_.sessions.at(absent);
    Absence& absence = **worker.absence.write();
    Jobs concerned;
    for (const auto& [id, index] : absence.accused) {
        Job* job = owners_.jobs.find_running(id);
        if (!job) continue;
        concerned.push_back(id);
        job->books.judge(
            index, verdict,
            {.worker = absent, .name = worker.name, .crash_limit = owners_.options.crash_limit});
        owners_.dispatcher.apply(step, *job);
    }
    absent_.erase(absent);
    if (verdict == Verdict::it_lives) return concerned;
    for (const auto& [id, until] : absence.waiting) {
        Job* job = owners_.jobs.find_running(id);
        if (!job) continue;
        concerned.push_back(id);
        give_up(step, absent, *job, verdict == Verdict::it_died ? Death::known : Death::in_company);
    }
    if (!absence.accused.empty() || verdict == Verdict::it_died)
        step.note({.what = verdict == Verdict::it_died ? "a worker that was gone has ended"
                                                       : "a worker that was gone is given up",
                   .peer = worker.name});
    owners_.sessions.take_out(absent);
    return concerned;
}

Absences::Jobs Absences::sweep(Step& step) {
    Jobs concerned;
    for (auto it = absent_.begin(); it != absent_.end();) sweep(step, *it++, concerned);
    return concerned;
}

void Absences::sweep(Step& step, const PeerId& absent, Jobs& concerned) {
    Absence& absence = **owners_.sessions.at(absent).absence.write();
    for (auto it = absence.waiting.begin(); it != absence.waiting.end();) {
        Job* job = owners_.jobs.find_running(it->first);
        if (job && it->second > step.lived) {
            ++it;
            continue;
        }
        if (job) give_up(step, absent, *job, Death::unknown), concerned.push_back(job->id);
        it = absence.waiting.erase(it);
    }
    const bool over = step.lived - absence.since >= limits::vanished_after;
    if (over && absence.waiting.empty()) add(concerned, forget(step, absent, Verdict::it_vanished));
}

/// Those that were gone first are given up first.
void Absences::make_room(Step& step, Jobs& failed) {
    while (absent_.size() > limits::absent_workers) {
        const PeerId eldest = *std::ranges::min_element(absent_, {}, [&](const PeerId& peer) {
            return (*owners_.sessions.at(peer).absence)->since;
        });
        add(failed, forget(step, eldest, Verdict::it_vanished));
    }
}

}  // namespace fanfold::broker
