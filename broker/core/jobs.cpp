// Jobs, from their first block to their outcome.
#include <algorithm>

#include "broker/core/core.hpp"
#include "broker/core/scheduler.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::broker {

using wire::Outcome;
using wire::RefusalCode;

namespace {
constexpr auto patience_with_room =
    std::chrono::seconds(2);  // before anybody is told that a user has as much as it may
}

/// How long a running job outlives its client. An attached one is of no use to anybody else, and
/// one that is not whole would never end; with a key, the same submission may come back for it.
std::optional<Duration> Core::lease_of(const Job& job) const {
    if (job.spec.attached) return job.spec.lease;
    if (job.total) return {};
    return job.spec.key.empty() ? Duration(limits::client_lease) : options_.keep;
}

void Core::on_block(wire::Block& block, Slice body, const Sender& sender) {
    Job* job = find(block.job);
    if (!job && !block.spec)
        return note(
            {.level = Level::debug, .what = "ignored a block of an unknown job", .job = block.job});
    if (job && job->user != sender.user)
        return deny({}, sender, "Block of a job of " + user_text(job->user), block.job);
    if (block.spec && !may_own(block.spec->owner, sender))
        return deny({}, sender, "Block for a client of another user", block.job);
    const PeerId owner = job ? job->owner : block.spec->owner;
    if (job && job->token != block.token)
        return pass_over({}, "Block with another token than the job's", block.job);
    if (auto sound = check_block(block, body); !sound) {
        strike({}, sender, nullptr, {});
        refuse(owner, RefusalCode::malformed, sound.error().text, block.job);
        if (job && job->running())
            end(*job, Outcome::failed, "its client sent a malformed block: " + sound.error().text);
        return;
    }
    if (std::string why = why_too_large(sender.user, block, body);
        !why.empty() && (!job || job->running())) {
        refuse(owner, RefusalCode::too_large, why, block.job);
        return job ? end(*job, Outcome::failed, why) : void();
    }
    if (!trouble_.empty() && (!job || job->running())) {  // it stays with its sender
        if (!job)
            refuse(owner, RefusalCode::overloaded,
                   "the broker accepts nothing at present: " + trouble_, block.job);
        return;
    }
    bool opened = !job;
    if (opened) {
        if (block.first != 0)
            return note({.level = Level::debug,
                         .what = "ignored a block of an unknown job",
                         .job = block.job});
        if (tombstones_.contains(block.job))
            return pass_over({}, "Block of a job that is forgotten", block.job);
        open(block, sender);
        job = find(block.job);
        if (!job) return;
    }
    if (!job->running())
        return send(block.spec ? block.spec->owner : job->owner,
                    job->end);  // it may have a new connection since
    bool fits = block.first == job->next() && job->accepted_bytes() <= job->told_limit &&
                !job->total && has_room(*job);
    if (fits && !user_has_room(*job)) {
        fits = false;
        if (!job->short_since) job->short_since = now_;
    }
    if (fits) {
        job->short_since.reset();
        note({.level = Level::debug,
              .what = "block accepted",
              .job = job->id,
              .range = {block.first, block.first + block.count}});
        if (options_.durable && block.count > 0) {
            wire::Block row = block;
            row.spec.reset();
            row.total.reset();
            row.digest.clear();
            persist(job->id, Row::block, block.first, row, body);
        }
        job->accept(block, std::move(body));
        persist_accepted(*job);
        spill_new(*job, block.first);
        if (block.total) job->announced = block.total;
        ready(*job);
        dispatch();  // before all that only informs
    }
    if (!fits && block.count > 0 && block.first + block.count <= job->next())
        pass_over({}, "Block again", block.job);
    if (!fits && block.total && !job->total) job->announced = block.total;
    if (opened) job->in_one_block = job->announced == job->next();
    tell_credit(*job, true);
    seal_when_whole(*job);
    if (opened && !job->total) assign(*job);
    if (opened) tell_notice(*job);
}

void Core::open(const wire::Block& block, const Sender& sender) {
    const wire::JobSpec& spec = *block.spec;
    const Demand demand(spec);
    if (options_.fixed_fleet && std::ranges::none_of(sessions_, [&](const auto& item) {
            return demand.met_by(item.second);
        })) {
        std::string all;
        for (const auto& [peer, session] : sessions_)
            for (const auto& function : session.functions)
                all += (all.empty() ? "" : ", ") + function;
        return refuse(spec.owner, RefusalCode::no_function, demand.unmet() + "; there is: " + all,
                      block.job);
    }
    if (std::string why = why_too_much(spec); !why.empty())
        return refuse(spec.owner, RefusalCode::too_large, why, block.job);
    if (!sound_weight(spec.share.weight))
        return refuse(spec.owner, RefusalCode::malformed, unsound_weight(spec.share.weight),
                      block.job);
    if (auto known = keys_.find({sender.user, spec.key}); known != keys_.end())
        return refuse(spec.owner, RefusalCode::conflict,
                      "the key '" + spec.key + "' is that of job " + to_string(known->second) +
                          "; it was opened a moment before",
                      block.job);
    PeerId gatherer = choose_gatherer(spec.preferred_gatherer);
    // After a start, or when one has just gone, it may be on its way: the client sends its block
    // again.
    if (gatherer.bytes.empty() && lived_.now() - gatherer_missed_ < options_.worker_timeout) return;
    if (gatherer.bytes.empty())
        return refuse(
            spec.owner, RefusalCode::no_gatherer,
            "no gatherer is connected to the broker; start fanfold-gatherer with --broker",
            block.job);
    std::string why = why_no_job(sender.user);
    if (why.empty()) why = why_no_submission(sender.user);
    if (!why.empty()) return refuse(spec.owner, RefusalCode::overloaded, why, block.job);
    Job& job = jobs_.try_emplace(block.job, block.job, spec, block.token, now_).first->second;
    job.user = sender.user;
    job.tenant = &tenants_[job.user];
    if (limits_of(job.user).held_bytes > 0) job.told_limit = room_of_user(job.user);
    job.gatherer = gatherer;
    job.gatherer_ref = sessions_.at(gatherer).gatherer;
    if (auto it = sessions_.find(spec.owner); it != sessions_.end())
        job.owner_incarnation = it->second.epoch.incarnation;
    else
        job.lease_until =
            now_ + lease_of(job).value();  // a job that has just been opened is not whole
    if (!spec.key.empty()) keys_[{job.user, spec.key}] = job.id;
    start_running(job);
    persist_opening(job);
    note({.what = "job opened",
          .job = job.id,
          .peer = job.gatherer_ref.name,
          .detail = spec.title.empty() ? spec.function : spec.title});
}

void Core::tell_credit(Job& job, bool always) {
    // With a store, a job that belongs to nobody's connection is accepted as a whole, ahead of its
    // being run.
    bool ahead = options_.durable && !job.spec.attached;
    std::uint64_t limit = (ahead ? job.accepted_bytes() : job.freed_bytes()) + window();
    std::uint64_t step = window() / 16;
    if (std::uint64_t most = limits_of(job.user).held_bytes; most > 0) {
        limit = std::min(limit, job.accepted_bytes() + room_of_user(job.user));
        step = std::clamp<std::uint64_t>(most / 16, 1, step);
    }
    if (!always && (job.total || limit < job.told_limit + step)) return;
    job.told_limit = std::max(job.told_limit, limit);
    tell_owner(job, wire::Accepted{.job = job.id, .next = job.next(), .limit = job.told_limit});
}

/// Of a small job its owner waits for the end, and is told the rest when there is time for it.
void Core::tell_owner(const Job& job, wire::Message message) {
    if (job.owner.bytes.empty()) return;
    if (job.in_one_block && job.spec.attached) send_later(job.owner, std::move(message));
    else send(job.owner, std::move(message));
}

void Core::tell_notice(Job& job) {
    std::string notice;
    std::string until = "; it waits for one";
    bool again = false;
    if (job.running() && job.has_queued() && job.pool->members.empty()) {
        notice = job.pool->demand.unmet();
    } else if (job.running() && job.short_since && now_ - *job.short_since >= patience_with_room) {
        notice = "the broker holds at most " + std::to_string(limits_of(job.user).held_bytes) +
                 " bytes of payloads" + limit_text(job.user, "bytes");
        again = std::exchange(job.told_short, true);
        until =
            "; it waits for fragments to end, or for failed jobs, of which they are kept, to be "
            "retried or forgotten";
    }
    if (notice == job.notice) return;
    job.notice = notice;
    if (notice.empty()) return;
    note({.level = Level::warn, .what = "job waits", .job = job.id, .detail = notice});
    if (!again && !job.owner.bytes.empty())
        send(job.owner, wire::Notice{.job = job.id, .text = notice + until});
}

void Core::on_seal(const PeerId& from, const wire::Seal& seal) {
    Job* job = find(seal.job);
    // The first block travels on another socket and may still be on its way: the client says it
    // again.
    if (!job) return;
    const Sender& sender = sessions_.at(from).sender;
    if (job->user != sender.user)
        return deny(from, sender, "Seal of a job of " + user_text(job->user), seal.job);
    if (job->token != seal.token)
        return pass_over(from, "Seal with another token than the job's", seal.job);
    if (!job->running() && !job->total) return send(from, job->end);
    if (job->total ? *job->total != seal.total : seal.total < job->next())
        return refuse(from, RefusalCode::conflict,
                      "the job has " + std::to_string(job->next()) +
                          " fragments; it can't be sealed at " + std::to_string(seal.total),
                      job->id);
    if (job->total) return send(from, wire::Sealed{.job = job->id, .total = *job->total});
    if (std::string why = why_too_many(job->user, seal.total); !why.empty()) {
        refuse(from, RefusalCode::too_large, why, job->id);
        return end(*job, Outcome::failed, why);
    }
    job->announced = seal.total;
    seal_when_whole(*job);
}

void Core::seal_when_whole(Job& job) {
    if (!job.running() || job.total || !job.announced) return;
    if (*job.announced < job.next()) {
        refuse(job.owner, RefusalCode::conflict,
               "a block lies beyond the total of " + std::to_string(*job.announced), job.id);
        return end(job, Outcome::failed, "its client sealed it before its end");
    }
    if (*job.announced > job.next()) return;
    job.total = job.announced;
    --job.tenant->unsealed_jobs;
    job.short_since.reset();
    if (!job.spec.attached) job.lease_until.reset();
    persist(job.id, Row::total, 0,
            wire::Seal{.job = job.id, .token = job.token, .total = *job.total});
    note({.level = job.in_one_block ? Level::debug : Level::info,
          .what = "job sealed",
          .job = job.id,
          .range = {0, *job.total}});
    assign(job);
    tell_owner(job, wire::Sealed{.job = job.id, .total = *job.total});
}

void Core::on_cancel(const PeerId& from, const wire::Cancel& cancel) {
    Job* job = find_for(from, cancel.job, "Cancel");
    if (!job)
        return refuse(from, RefusalCode::unknown_job, "there is no job " + to_string(cancel.job),
                      cancel.job);
    if (!job->running()) return send(from, job->end);
    job->watchers.insert(from);
    end(*job, Outcome::cancelled, cancel.reason.empty() ? "cancelled" : cancel.reason);
}

void Core::on_watch(const PeerId& from, const wire::Watch& watch) {
    Job* job = find_for(from, watch.job, "Watch");
    if (!job)
        return refuse(from, RefusalCode::unknown_job, "there is no job " + to_string(watch.job),
                      watch.job);
    send(from, wire::Located{
                   .job = job->id, .assignment = job->assignment, .gatherer = job->gatherer_ref});
    if (job->running()) job->watchers.insert(from);
    else send(from, job->end);
}

void Core::end(Job& job, Outcome outcome, std::string reason, bool lost) {
    wire::Ended ended{.job = job.id,
                      .assignment = job.assignment,
                      .outcome = outcome,
                      .reason = std::move(reason),
                      .total = job.total};
    ended.values = job.safe_count();
    if (outcome != Outcome::complete || job.total != job.safe_count())
        ended.missing = job.unfinished();
    ended.lost = lost;
    std::erase_if(later_,
                  [&](const Send& message) { return wire::job_of(message.message) == job.id; });
    // Whoever has every value knows that it is over.
    bool is_news =
        outcome != Outcome::complete || job.total != job.safe_count() || !job.spec.attached;
    auto tell = [&](const PeerId& peer, wire::Message message) {
        if (peer.bytes.empty()) return;
        is_news ? send(peer, std::move(message)) : send_later(peer, std::move(message));
    };
    std::set<PeerId> watchers = std::exchange(job.watchers, {});
    std::set<PeerId> knowing = job.knowing;
    job.close(std::move(ended), now_);
    if (options_.durable) job.payloads().spill_all();
    persist_end(job);
    for (const PeerId& peer : {job.gatherer, job.owner}) {
        tell(peer, job.end);
        watchers.erase(peer);
    }
    for (const PeerId& peer : watchers) send(peer, job.end);
    for (const PeerId& worker : knowing)
        if (sessions_.contains(worker)) tell(worker, wire::Drop{job.id});
    note({.what = "job ended",
          .job = job.id,
          .took = now_ - job.opened,
          .detail = std::string(wire::to_string(outcome)) +
                    (job.end.reason.empty() ? "" : ": " + job.end.reason)});
    apply_changes(job);
    orphaned_.erase(job.id);
    stop_running(job);
    for (const PeerId& worker : knowing) {
        auto it = sessions_.find(worker);
        if (it == sessions_.end()) continue;
        it->second.jobs.erase(job.id);
        it->second.briefs.erase(job.id);
        it->second.releases.erase(job.id);
    }
    (job.spec.attached ? job.tenant->ended_attached : job.tenant->ended_kept).push_back(job.id);
    flush_soon();  // a few jobs are forgotten at a time: hundreds would hold up another
    if (!options_.durable && !job.payloads().empty()) retained_.push_back(job.id);
    drop_retained();
}

void Core::lose_client(const PeerId& peer, const Session&) {
    for (const JobId& id : running_) {
        Job& job = *find(id);
        job.watchers.erase(peer);
        if (job.owner != peer) continue;
        job.owner.bytes.clear();
        if (auto lease = lease_of(job)) job.lease_until = now_ + *lease;
    }
}

void Core::adopt_client(const PeerId& peer, const Session& session) {
    for (const JobId& id : running_) {
        Job& job = *find(id);
        if (job.user != session.sender.user) {
            if (job.owner == peer)
                job.owner.bytes.clear();  // it named a connection that is another's
            continue;
        }
        bool is_early = job.owner_incarnation == 0 &&
                        job.owner == peer;  // its first block was faster than its hello
        bool is_owner =
            job.owner_incarnation != 0 && job.owner_incarnation == session.epoch.incarnation;
        if (!is_early && !is_owner) continue;
        job.owner_incarnation = session.epoch.incarnation;
        if (is_early) persist_opening(job);
        job.owner = peer;
        job.lease_until.reset();
        tell_credit(job, true);
        if (job.total) send(peer, wire::Sealed{.job = id, .total = *job.total});
        // What it was told of that before its hello, or over its last connection, may be lost.
        if (job.assignment > 1 || job.gatherer_ref.name != job.spec.preferred_gatherer)
            send(peer, wire::Located{
                           .job = id, .assignment = job.assignment, .gatherer = job.gatherer_ref});
    }
}

}  // namespace fanfold::broker
