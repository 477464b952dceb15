#include "gatherer/core/collecting.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

void Collecting::refuse(Step& step, const PeerId& peer, wire::Refused refused) {
    step.actions.push_back(Send{.to = peer, .message = std::move(refused)});
}

void Collecting::collect(Step& step, Job* job, EarlyCollect asked) {
    const JobId& id = asked.collect.job;
    auto warn_and_refuse = [&](wire::RefusalCode code, const std::string& text) {
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "collector refused",
                                    .job = id,
                                    .peer = to_string(asked.peer),
                                    .detail = text});
        refuse(step, asked.peer, {.code = code, .text = text, .job = id});
    };
    if (asked.collect.major != wire::version_major)
        return warn_and_refuse(
            wire::RefusalCode::version,
            "gatherer " + name_ + " speaks version " + std::to_string(wire::version_major) +
                " of the protocol, the collector version " + std::to_string(asked.collect.major) +
                "; use programs of the same major version");
    if (job && parts_.admission.may_collect(job->user, asked.sender))
        return attach(step, *job, asked);
    // Another's job is answered as one that nobody knows: its answer comes as late, with the same
    // words.
    if (job) parts_.admission.note_denied(step, asked.sender, "Collect of another's job", id);
    if (!parts_.early.add(step.now, asked))
        warn_and_refuse(wire::RefusalCode::overloaded,
                        "gatherer " + name_ + " has " + std::to_string(limits::early_collects) +
                            " collectors waiting for unknown jobs, and no room for more; try again "
                            "later");
}

void Collecting::attach(Step& step, Job& job, const EarlyCollect& asked) {
    if (!job.life.damage().empty())
        return refuse(step, asked.peer,
                      {.code = wire::RefusalCode::conflict,
                       .text = "job " + to_string(job.id) + ": " + job.life.damage(),
                       .job = job.id});
    auto [at, is_new] =
        job.collectors.try_emplace(asked.peer, asked.collect, job.assembly, step.lived);
    Collector& collector = at->second;
    collector.set_sender(asked.sender);
    if (is_new) {
        step.actions.push_back(Note{.level = Level::info,
                                    .what = "collector attached",
                                    .job = job.id,
                                    .peer = to_string(asked.peer)});
    } else {
        collector.start(asked.collect, job.assembly, step.lived);
        ask_whether_it_runs(step, job);
    }
    // Its position acknowledges what lies before it.
    if (job.assembly.spec().attached && collector.follows() && asked.collect.position > 0)
        free_had(step, job);
    if (pump(step, job, asked.peer, collector)) job.collectors.erase(at);
}

/// A collector that asks again has waited in vain: perhaps the job has ended, and the message that
/// said so was lost. The broker answers a Gathered of such a job with its end.
void Collecting::ask_whether_it_runs(Step& step, Job& job) {
    if (job.life.gathering() && parts_.broker.can_send() && job.life.may_ask(step.now))
        parts_.confirmations.flush(step, job);
}

void Collecting::acknowledge(Step& step, Job& job, const Acknowledged& acknowledged) {
    auto at = job.collectors.find(acknowledged.peer);
    if (at == job.collectors.end()) return;
    Collector& collector = at->second;
    if (collector.sender().user != acknowledged.sender.user)
        return parts_.admission.note_denied(step, acknowledged.sender,
                                            "Acknowledge of another's collector", job.id);
    auto arrived = collector.acknowledge(acknowledged.position, step.lived);
    if (job.assembly.spec().attached && collector.follows()) {
        for (Index first : arrived) free_if_had(job, first);
        after_freeing(step, job);
    }
    if (pump(step, job, at->first, collector)) job.collectors.erase(at);
}

void Collecting::on_mark(Step& step, Job* job, const PeerId& peer, const Sender& sender,
                         const wire::Mark& mark) {
    wire::Marked marked{.job = mark.job, .number = mark.number};
    if (job) {
        acknowledge(step, *job, {.peer = peer, .sender = sender, .position = mark.position});
        auto at = job->collectors.find(peer);
        if (at != job->collectors.end() && at->second.sender().user == sender.user)
            marked.position = at->second.position();
        ask_whether_it_runs(step, *job);
    }
    step.actions.push_back(Send{.to = peer, .message = std::move(marked)});
}

void Collecting::pump(Step& step, Job& job) {
    for (auto at = job.collectors.begin(); at != job.collectors.end();) {
        bool done = pump(step, job, at->first, at->second);
        at = done ? job.collectors.erase(at) : std::next(at);
    }
}

/// True when it has had everything, and has acknowledged it.
bool Collecting::pump(Step& step, Job& job, const PeerId& peer, Collector& collector) {
    bool ended = job.life.ended();
    if (job.is_leaving() && !ended) return false;
    if (!parts_.persistence.troubled()) {
        while (auto parcel = collector.next(job.assembly, ended)) {
            const bool in_parts = collector.wants_parts(parcel->body.size());
            collector.watch(parcel->body.size(), step.lived);
            step.actions.push_back(Send{.to = peer,
                                        .message = std::move(parcel->message),
                                        .body = std::move(parcel->body),
                                        .in_parts = in_parts});
        }
        parts_.memory.prefetch(step, job, peer, collector);
        if (!collector.concluded() && collector.exhausted(job.assembly, ended)) {
            collector.mark_concluded();
            conclude(step, job, peer);
        }
    }
    return collector.concluded() && !collector.waits_for_acknowledgement();
}

/// Before the job's end: what there is of it at this moment.
void Collecting::conclude(Step& step, const Job& job, const PeerId& peer) {
    bool ended = job.life.ended();
    const Verdict& verdict = job.life.verdict();
    step.actions.push_back(
        Send{.to = peer,
             .message = wire::Concluded{
                 .job = job.id,
                 .outcome = ended ? verdict.outcome : wire::Outcome::running,
                 .reason = ended ? verdict.reason : std::string{},
                 .total = job.assembly.total(),
                 .values = job.assembly.receipts().values(),
                 .failures = job.assembly.receipts().failures(),
                 .late = job.life.late(),
                 .missing = ended ? job.life.missing() : job.assembly.receipts().list_failures()}});
}

void Collecting::turn_away(Step& step, Job& job) {
    std::erase_if(job.collectors, [&](const auto& item) {
        const auto& [peer, collector] = item;
        if (!collector.concluded() && collector.begun())
            refuse(step, peer,
                   {.code = wire::RefusalCode::conflict,
                    .text = "job " + to_string(job.id) +
                            ": it was run again while it was collected; collect it again",
                    .job = job.id});
        return collector.concluded() || collector.begun();
    });
}

void Collecting::end_all(Step& step, Job& job) {
    for (const auto& [peer, collector] : job.collectors)
        if (!collector.concluded())
            refuse(step, peer,
                   {.code = wire::RefusalCode::unknown_job,
                    .text = "job " + to_string(job.id) + " was forgotten, its results are gone",
                    .job = job.id});
    job.collectors.clear();
}

void Collecting::resume(Step& step, Job& job) {
    if (job.assembly.spec().attached) free_had(step, job);
    pump(step, job);
}

void Collecting::refuse_for_damage(Step& step, Job& job) {
    std::erase_if(job.collectors, [&](const auto& item) {
        if (item.second.concluded()) return false;
        refuse(step, item.first,
               {.code = wire::RefusalCode::conflict,
                .text = "job " + to_string(job.id) + ": " + job.life.damage(),
                .job = job.id});
        return true;
    });
}

void Collecting::free_if_had(Job& job, Index first) {
    if (job.is_leaving()) return;
    auto entry = job.assembly.entries().find(first);
    if (entry == job.assembly.entries().end()) return;
    for (const auto& [peer, collector] : job.collectors)
        if (collector.follows() && !collector.has_acknowledged(first, entry->second)) return;
    parts_.persistence.note_let_go(job, entry->second);
    job.assembly.free(first);
}

/// Frees whatever every follower has acknowledged: for when a follower has come or gone.
void Collecting::free_had(Step& step, Job& job) {
    std::vector<Index> held;
    for (const auto& [first, entry] : job.assembly.entries()) held.push_back(first);
    for (Index first : held) free_if_had(job, first);
    after_freeing(step, job);
}

void Collecting::after_freeing(Step& step, Job& job) {
    parts_.memory.account(job);
    parts_.persistence.put_let_go(step, job);
    parts_.confirmations.flush_if_relieved(step, job);
}

void Collecting::drop(Step& step, const JobTable& jobs, const PeerId& peer) {
    parts_.early.drop(peer);
    for (const auto& [id, job] : jobs) {
        if (job->collectors.erase(peer) == 0) continue;
        step.actions.push_back(Note{
            .level = Level::info, .what = "collector gone", .job = id, .peer = to_string(peer)});
        bool others = std::any_of(job->collectors.begin(), job->collectors.end(),
                                  [](const auto& item) { return item.second.follows(); });
        if (job->assembly.spec().attached && others) free_had(step, *job);
    }
}

void Collecting::drop_denied(Step& step, const JobTable& jobs) {
    std::set<PeerId> gone;
    for (const auto& [id, job] : jobs)
        for (const auto& [peer, collector] : job->collectors)
            if (!parts_.admission.may_collect(job->user, collector.sender())) gone.insert(peer);
    for (const PeerId& peer : gone) drop(step, jobs, peer);
}

void Collecting::drop_silent(Step& step, const JobTable& jobs) {
    if (scan_for_silent_at_ && *scan_for_silent_at_ > step.now) return;
    scan_for_silent_at_ = step.now + limits::scan_for_silent_every;
    for (const auto& [id, job] : jobs) {
        auto& collectors = job->collectors;
        if (!job->assembly.spec().attached || job->is_leaving() || collectors.size() < 2) continue;
        std::size_t dropped = std::erase_if(collectors, [&](const auto& item) {
            return collectors.size() > 1 && item.second.follows() &&
                   item.second.waits_for_acknowledgement() &&
                   step.lived - item.second.heard() > limits::client_lease;
        });
        if (dropped == 0) continue;
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "a silent collector dropped, another collects the job",
                                    .job = id});
        free_had(step, *job);
    }
}

void Collecting::refuse_expired(Step& step, const std::vector<EarlyCollect>& expired) {
    for (const auto& [peer, collect, sender] : expired)
        refuse(step, peer,
               {.code = wire::RefusalCode::unknown_job,
                .text = "gatherer " + name_ + " knows no job " + to_string(collect.job) +
                        ": it was forgotten, or never came here; ask the broker where it is "
                        "gathered",
                .job = collect.job});
}

void Collecting::check_invariants(const JobTable& jobs) {
    for (const auto& [id, job] : jobs)
        for (const auto& [peer, collector] : job->collectors) {
            collector.check_invariants();
            FANFOLD_CHECK(!collector.concluded() || !collector.follows() || job->life.ended());
            FANFOLD_CHECK(!collector.concluded() || collector.waits_for_acknowledgement());
        }
}

}  // namespace fanfold::gatherer
