// The gatherer's collectors: asked, streamed to, acknowledged, told the end.
#include <algorithm>
#include <utility>

#include "gatherer/core/job.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

namespace {

using namespace std::chrono_literals;

constexpr Duration look_for_silent_every = 1s;

}  // namespace

void Core::on_collect(Step& step, const PeerId& peer, const wire::Collect& collect,
                      const Sender& sender) {
    auto refuse = [&](wire::RefusalCode code, std::string text) {
        step.actions.push_back(Note{.level = Level::warn,
                                    .what = "collector refused",
                                    .job = collect.job,
                                    .peer = to_string(peer),
                                    .detail = text});
        step.actions.push_back(Send{
            .to = peer,
            .message = wire::Refused{.code = code, .text = std::move(text), .job = collect.job}});
    };
    if (collect.major != wire::version_major) {
        refuse(wire::RefusalCode::version, "gatherer " + options_.self.name + " speaks version " +
                                               std::to_string(wire::version_major) +
                                               " of the protocol, the collector version " +
                                               std::to_string(collect.major) +
                                               "; use programs of the same major version");
        return;
    }
    Job* job = find(collect.job);
    if (job && may_collect(*job, sender)) {
        attach(step, *job, peer, collect, sender);
        return;
    }
    // Another's job is answered as one that nobody knows: its answer comes as late, with the same
    // words.
    if (job) note_denied(step, sender, "Collect of another's job", collect.job);
    if (!early_.add(step.now, {.peer = peer, .collect = collect, .sender = sender}))
        refuse(wire::RefusalCode::overloaded,
               "gatherer " + options_.self.name + " has " + std::to_string(limits::early_collects) +
                   " collectors waiting for unknown jobs, and no room for more; try again later");
}

void Core::attach(Step& step, Job& job, const PeerId& peer, const wire::Collect& collect,
                  const Sender& sender) {
    if (!job.damage.empty()) return refuse_for_damage(step, job, peer);
    auto [at, is_new] = job.collectors.try_emplace(peer, collect, job.assembly, step.lived);
    at->second.set_sender(sender);
    if (is_new) {
        step.actions.push_back(Note{.level = Level::info,
                                    .what = "collector attached",
                                    .job = job.id,
                                    .peer = to_string(peer)});
    } else {
        at->second.start(collect, job.assembly, step.lived);
        ask_whether_it_runs(step, job);
    }
    // Its position acknowledges what lies before it.
    if (job.assembly.spec().attached && at->second.follows() && collect.position > 0)
        free_had(step, job);
    if (pump(step, job, peer)) job.collectors.erase(peer);
}

/// A collector that asks again has waited in vain: perhaps the job has ended, and the message that
/// said so was lost. The broker answers a Gathered of such a job with its end.
void Core::ask_whether_it_runs(Step& step, Job& job) {
    if (job.phase != Phase::gathering || !can_tell() ||
        step.now - std::max(job.asked, job.opened) < limits::resend_after)
        return;
    job.asked = step.now;
    flush(step, job);
}

void Core::on_acknowledge(Step& step, const PeerId& peer, const wire::Acknowledge& acknowledge,
                          const Sender& sender) {
    Job* job = find(acknowledge.job);
    if (!job) return;
    auto at = job->collectors.find(peer);
    if (at == job->collectors.end()) return;
    if (at->second.sender().user != sender.user)
        return note_denied(step, sender, "Acknowledge of another's collector", acknowledge.job);
    auto arrived = at->second.acknowledge(acknowledge.position, step.lived);
    if (job->assembly.spec().attached && at->second.follows()) {
        for (Index first : arrived) free_if_had(*job, first);
        after_freeing(step, *job);
    }
    if (pump(step, *job, peer)) job->collectors.erase(at);
}

void Core::pump(Step& step, Job& job) {
    for (auto at = job.collectors.begin(); at != job.collectors.end();) {
        bool done = pump(step, job, at->first);
        at = done ? job.collectors.erase(at) : std::next(at);
    }
}

/// Sends what the collector's credit allows; true when it has had everything, and has acknowledged
/// it.
bool Core::pump(Step& step, Job& job, const PeerId& peer) {
    Collector& collector = job.collectors.at(peer);
    bool ended = job.phase == Phase::ended;
    if (troubled_) return collector.concluded() && !collector.waits_for_acknowledgement();
    while (auto parcel = collector.next(job.assembly, ended))
        step.actions.push_back(Send{
            .to = peer, .message = std::move(parcel->message), .body = std::move(parcel->body)});
    fetch(step, job, peer, collector);
    if (!collector.concluded() && collector.exhausted(job.assembly, ended)) {
        collector.mark_concluded();
        step.actions.push_back(
            Send{.to = peer,
                 .message = wire::Concluded{
                     .job = job.id,
                     .outcome = ended ? job.verdict.outcome : wire::Outcome::running,
                     .reason = ended ? job.verdict.reason : std::string{},
                     .total = job.assembly.total(),
                     .values = job.assembly.values(),
                     .failures = job.assembly.failures(),
                     .late = job.late.size(),
                     .missing = ended ? job.missing : job.assembly.list_missing(false)}});
    }
    return collector.concluded() && !collector.waits_for_acknowledgement();
}

void Core::free_if_had(Job& job, Index first) {
    auto entry = job.assembly.entries().find(first);
    if (entry == job.assembly.entries().end()) return;
    for (const auto& [peer, collector] : job.collectors)
        if (collector.follows() && !collector.has_acknowledged(first, entry->second)) return;
    if (options_.durable) {
        job.let_go.push_back(entry->second.sequence);
        job.let_go_bytes += entry->second.body_bytes;
    }
    job.assembly.free(first);
}

/// Frees whatever every follower has acknowledged: for when a follower has come or gone.
void Core::free_had(Step& step, Job& job) {
    std::vector<Index> held;
    for (const auto& [first, entry] : job.assembly.entries()) held.push_back(first);
    for (Index first : held) free_if_had(job, first);
    after_freeing(step, job);
}

void Core::after_freeing(Step& step, Job& job) {
    account(job);
    persist_let_go(step, job);
    bool told_to_stop = job.told_held_bytes > limits::held_results_bytes;
    if (told_to_stop && job.assembly.held_bytes() <= limits::held_results_bytes &&
        job.phase == Phase::gathering)
        flush(step, job);
}

// A follower that went away without a trace must not keep an attached job's results in memory for
// ever, and so stop the job for the one that came after it. It is dropped only when another
// follows; if it lives after all, it asks again.
void Core::drop_silent_followers(Step& step) {
    if (look_for_silent_at_ && *look_for_silent_at_ > step.now) return;
    look_for_silent_at_ = step.now + look_for_silent_every;
    for (auto& [id, job] : jobs_) {
        auto& collectors = job->collectors;
        if (!job->assembly.spec().attached || collectors.size() < 2) continue;
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

void Core::drop_collector(Step& step, const PeerId& peer) {
    early_.drop(peer);
    for (auto& [id, job] : jobs_) {
        if (job->collectors.erase(peer) == 0) continue;
        step.actions.push_back(Note{
            .level = Level::info, .what = "collector gone", .job = id, .peer = to_string(peer)});
        bool others = std::any_of(job->collectors.begin(), job->collectors.end(),
                                  [](const auto& item) { return item.second.follows(); });
        if (job->assembly.spec().attached && others) free_had(step, *job);
    }
}

}  // namespace fanfold::gatherer
