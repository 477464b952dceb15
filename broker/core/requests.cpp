#include "broker/core/requests.hpp"

#include <utility>

#include "broker/dispatch/scheduler.hpp"
#include "shared/base/text.hpp"

namespace fanfold::broker {

using wire::RefusalCode;

/// The job, if there is one that the peer may see. Whoever may not is answered as if there were
/// none; the log knows better.
Job* Requests::find(Step& step, const PeerId& from, const JobId& id, const char* what) {
    Job* job = owners_.jobs.find(id);
    const Sender& sender = owners_.sessions.at(from).sender;
    if (!job || may_see(sender, *job)) return job;
    owners_.conduct.deny(step, from, sender,
                         std::string(what) + " of a job of " + user_text(job->user), id);
    return nullptr;
}

Job* Requests::find_or_refuse(Step& step, const PeerId& from, const JobId& id, const char* what) {
    Job* job = find(step, from, id, what);
    if (!job) step.refuse(from, RefusalCode::unknown_job, "there is no job " + to_string(id), id);
    return job;
}

void Requests::on_cancel(Step& step, const PeerId& from, const wire::Cancel& cancel) {
    Job* job = find_or_refuse(step, from, cancel.job, "Cancel");
    if (!job) return;
    owners_.endings.watch(step, *job, from);
    if (!job->running()) return;
    step.note(
        {.what = "cancel is asked for", .job = job->id, .detail = owners_.sessions.who(from)});
    owners_.endings.end(step, *job,
                        {.outcome = wire::Outcome::cancelled,
                         .reason = cancel.reason.empty() ? "cancelled" : cancel.reason});
}

void Requests::on_cancel_fragments(Step& step, const PeerId& from,
                                   const wire::CancelFragments& cancel) {
    Job* job = find_or_refuse(step, from, cancel.job, "CancelFragments");
    if (!job) return;
    const RangeSet named(cancel.ranges);
    if (named.size() > limits::cancelled_fragments)
        return step.refuse(from, RefusalCode::too_large,
                           std::to_string(named.size()) + " fragments are named, " +
                               std::to_string(limits::cancelled_fragments) +
                               " is the most at a time; name fewer, or cancel the job",
                           job->id);
    // Each has an error of its own: until those of before are confirmed, it is asked again.
    if (job->running() && owners_.payloads.outputs_full(*job)) return;
    wire::FragmentsCancelled answer{.job = job->id};
    const std::string reason(cut_between_characters(
        cancel.reason.empty() ? "cancelled" : cancel.reason, limits::name_bytes));
    for (Range range : named.ranges()) {
        // Of a job that has ended, which may be so since it was asked first, nothing is left to
        // end.
        if (job->running())
            for (const auto& [worker, part] : job->books.cancel(range, reason))
                owners_.outbox.release(step, worker, job->id, part);
        for (Range part : job->books.settled().failed().within(range))
            answer.fragments += part.size();
    }
    if (job->running()) {
        owners_.dispatcher.apply(step, *job);
        owners_.errors.flush(step, *job);
    }
    step.note({.what = "fragments cancelled",
               .job = job->id,
               .detail = std::to_string(answer.fragments) + ", " + owners_.sessions.who(from) +
                         ": " + reason});
    step.send(from, answer);
}

void Requests::on_watch(Step& step, const PeerId& from, const wire::Watch& watch) {
    Job* job = find_or_refuse(step, from, watch.job, "Watch");
    if (!job) return;
    owners_.clients.hear(*job, from);
    step.send(from, Gathering::located(*job));
    owners_.endings.watch(step, *job, from);
}

void Requests::on_adjust(Step& step, const PeerId& from, const wire::Adjust& adjust) {
    Job* job = find_or_refuse(step, from, adjust.job, "Adjust");
    if (!job) return;
    if (!job->running())
        return step.refuse(from, RefusalCode::conflict, "job " + to_string(job->id) + " has ended",
                           job->id);
    if (adjust.weight && !sound_weight(*adjust.weight))
        return step.refuse(from, RefusalCode::malformed, unsound_weight(*adjust.weight), job->id);
    const bool by_admin = owners_.sessions.at(from).sender.roles.has(Access::admin);
    const bool is_limited = adjust.priority && !(by_admin && !job->user.empty());
    if (std::string why =
            is_limited ? owners_.users.why_too_urgent(job->user, *adjust.priority) : "";
        !why.empty())
        return step.refuse(from, RefusalCode::not_allowed, why, job->id);
    owners_.dispatcher.adjust(step.now, *job, adjust);
    owners_.persistence.shared(step, *job);
    step.send(from, wire::Adjusted{.job = job->id, .share = job->standing->share});
}

void Requests::on_retry(Step& step, const PeerId& from, const wire::Retry& retry) {
    Job* job = find_or_refuse(step, from, retry.job, "Retry");
    if (!job) return;
    if (std::string why = owners_.users.why_no_job(job->user); !why.empty() && !job->running())
        return step.refuse(from, RefusalCode::overloaded, why, job->id);
    std::string why = Endings::why_no_retry(*job);
    if (why.empty()) why = owners_.gathering.why_lost(*job);
    if (!why.empty())
        return step.refuse(from, RefusalCode::conflict,
                           "job " + to_string(job->id) + " can't be retried: " + why, job->id);
    auto failed = owners_.endings.reopen(step, *job);
    owners_.gathering.reopen(step, *job);
    const std::uint64_t fragments = job->books.queue().size();
    owners_.dispatcher.start(step.now, *job);
    owners_.persistence.retried(step, *job, failed);
    step.note({.what = "job retried",
               .job = job->id,
               .detail = std::to_string(fragments) + " fragments"});
    owners_.gathering.assign(step, *job);
    step.send(from,
              wire::Retried{.job = job->id, .round = job->life->round, .fragments = fragments});
    owners_.clients.reopen(step, *job);
}

void Requests::on_forget(Step& step, const PeerId& from, const wire::Forget& forget) {
    Job* job = find(step, from, forget.job, "Forget");
    if (job && job->running())
        return step.refuse(from, RefusalCode::conflict,
                           "job " + to_string(job->id) + " still runs; cancel it first", job->id);
    if (job) owners_.retention.forget(step, *job);
    step.send(from, wire::Forgotten{forget.job});
}

}  // namespace fanfold::broker
