#include "broker/core/clients.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::broker {

void Clients::open(const Step& step, Job& job, std::uint64_t token) {
    Client& client = *job.client.write();
    client.token = token;
    client.peer = job.spec->owner;
    if (owners_.users.limits_of(job.user).held_bytes > 0)
        client.told_limit = owners_.payloads.room_of(job.user);
    if (const Session* owner = owners_.sessions.find(client.peer))
        client.incarnation = owner->epoch.incarnation;
    else
        client.lease_until =
            step.now + lease_of(job).value();  // a job that has just been opened is not whole
}

void Clients::seal(Job& job) {
    Client& client = *job.client.write();
    client.short_since.reset();
    if (!job.spec->attached) client.lease_until.reset();
}

// --- credit

bool Clients::has_room(const Step& step, Job& job) {
    Client& client = *job.client.write();
    if (owners_.users.has_room(job)) client.short_since.reset();
    else if (!client.short_since) client.short_since = step.now;
    return !client.short_since;
}

void Clients::tell_credit(Step& step, Job& job, bool always) {
    // With a store, a job that belongs to nobody's connection is accepted as a whole, ahead of its
    // being run.
    Client& client = *job.client.write();
    const bool ahead = owners_.options.durable && !job.spec->attached;
    const std::uint64_t accepted = job.payload->accepted_bytes;
    const auto fragments = static_cast<double>(std::max<Index>(job.books.next(), 1));
    const std::uint64_t window = owners_.payloads.window(static_cast<double>(accepted) / fragments);
    std::uint64_t limit = (ahead ? accepted : job.payload->freed_bytes) + window;
    std::uint64_t much = window / 16;
    if (std::uint64_t most = owners_.users.limits_of(job.user).held_bytes; most > 0) {
        limit = std::min(limit, accepted + owners_.payloads.room_of(job.user));
        much = std::clamp<std::uint64_t>(most / 16, 1, much);
    }
    if (!always && (job.total() || limit < client.told_limit + much)) return;
    client.told_limit = std::max(client.told_limit, limit);
    owners_.outbox.tell_owner(
        step, job,
        wire::Accepted{.job = job.id, .next = job.books.next(), .limit = client.told_limit});
}

void Clients::offer_room(Step& step, Job& job) {
    Client& client = *job.client.write();
    if (job.total() || owners_.users.limits_of(job.user).held_bytes == 0) return;
    if (!owners_.users.has_room(job)) owners_.payloads.drop_retained_of(job.user);
    if (owners_.users.has_room(job)) {
        tell_credit(step, job, client.short_since.has_value());
        client.short_since.reset();
    } else if (!client.short_since) {
        client.short_since = step.now;
    }
    notify(step, job);
}

// --- what a job waits for

std::pair<std::string, bool> Clients::wait_of(const Step& step, const Job& job) const {
    if (!job.running()) return {};
    const Pool& pool = *job.waiting->pool;
    if (!job.books.queue().empty() && pool.members.empty()) return {pool.demand.unmet(), false};
    if (!job.books.queue().empty() && pool.slots == 0) {
        for (const PeerId& peer : pool.members)
            if (const Session& worker = owners_.sessions.at(peer); !worker.load->trouble.empty())
                return {"no worker takes what it could run; " + worker.name + ": " +
                            worker.load->trouble,
                        false};
    }
    if (!job.books.queue().empty() && owners_.users.results_full(job))
        return {"the results that gatherers keep take as much as they may: " +
                    std::to_string(job.tenant->held.results) + " bytes, the most is " +
                    std::to_string(owners_.users.limits_of(job.user).held_bytes) +
                    owners_.users.limit_text(job.user, "bytes"),
                true};
    const auto& since = job.client->short_since;
    if (!since || step.now - *since < limits::patience_with_room) return {};
    return {"the broker holds at most " +
                std::to_string(owners_.users.limits_of(job.user).held_bytes) +
                " bytes of payloads and results" + owners_.users.limit_text(job.user, "bytes"),
            true};
}

void Clients::notify(Step& step, Job& job) {
    Client& client = *job.client.write();
    auto [notice, for_room] = wait_of(step, job);
    const bool again = for_room && std::exchange(client.told_short, true);
    if (notice == client.notice) return;
    client.notice = notice;
    if (notice.empty()) return;
    step.note({.level = Level::warn, .what = "job waits", .job = job.id, .detail = notice});
    if (again || client.peer.bytes.empty()) return;
    notice += for_room ? "; it waits for fragments to end, or for ended jobs to be retried or "
                         "forgotten"
                       : "; it waits for one";
    step.send(client.peer, wire::Notice{.job = job.id, .text = std::move(notice)});
}

void Clients::notify(Step& step, const std::vector<Pool*>& pools, std::size_t members) {
    for (const Pool* pool : pools)
        if (pool->members.size() == members)
            for (const JobId& id : pool->jobs) notify(step, owners_.jobs.at(id));
}

void Clients::reopen(Step& step, Job& job) {
    job.client.write()->notice.clear();
    notify(step, job);
}

void Clients::tell_trouble(Step& step, const std::string& text) {
    for (const JobId& id : owners_.jobs.running())
        if (const PeerId& owner = owners_.jobs.at(id).client->peer; !owner.bytes.empty())
            step.send(owner, wire::Notice{.job = id, .text = text});
}

// --- whose it is

/// How long a running job outlives its client. An attached one is of no use to anybody else, and
/// one that is not whole would never end; with a key, the same submission may come back for it.
std::optional<Duration> Clients::lease_of(const Job& job) const {
    if (job.spec->attached) return job.spec->lease;
    if (job.total()) return {};
    return job.spec->key.empty() ? Duration(limits::client_lease) : owners_.options.keep;
}

void Clients::restore_lease(Job& job) {
    const Options& options = owners_.options;
    if (auto lease = lease_of(job))
        job.client.write()->lease_until =
            options.started + std::max(*lease, options.worker_timeout);
}

wire::Found Clients::offer(Job& job) {
    Client& client = *job.client.write();
    const std::uint64_t accepted = job.payload->accepted_bytes;
    client.told_limit = std::max(client.told_limit, accepted + owners_.payloads.room_of(job.user));
    wire::Found found{.job = job.id, .spec = *job.spec};
    found.next = job.books.next();
    found.bytes = accepted;
    found.limit = client.told_limit;
    found.digest = job.submission->digest;
    found.total = job.total();
    found.outcome = job.life->end.outcome;
    return found;
}

void Clients::take_over(Step& step, Job& job, const PeerId& peer, std::uint64_t token) {
    const Session& session = owners_.sessions.at(peer);
    Client& client = *job.client.write();
    client.token = token;
    client.peer = peer;
    client.incarnation = session.epoch.incarnation;
    client.lease_until.reset();
    owners_.persistence.opened(step, job);
    step.note({.what = "job taken over", .job = job.id, .peer = session.name});
}

void Clients::lose_client(const Step& step, const PeerId& peer) {
    for (const JobId& id : owners_.jobs.running()) {
        Job& job = owners_.jobs.at(id);
        owners_.endings.unwatch(job, peer);
        if (job.client->peer != peer) continue;
        Client& client = *job.client.write();
        client.peer.bytes.clear();
        if (auto lease = lease_of(job)) client.lease_until = step.now + *lease;
    }
}

void Clients::hear(Job& job, const PeerId& peer) {
    if (job.client->peer == peer && owners_.sessions.find(peer))
        job.client.write()->lease_until.reset();
}

void Clients::claim(Job& job, const PeerId& peer) {
    Client& client = *job.client.write();
    client.peer = peer;
    client.incarnation = owners_.sessions.at(peer).epoch.incarnation;
    client.lease_until.reset();
}

void Clients::adopt_client(Step& step, const PeerId& peer) {
    const Session& session = owners_.sessions.at(peer);
    for (const JobId& id : owners_.jobs.running()) {
        Job& job = owners_.jobs.at(id);
        if (job.user == session.sender.user) adopt(step, job, peer, session);
        else if (job.client->peer == peer)
            job.client.write()->peer.bytes.clear();  // it named another's connection
    }
}

void Clients::adopt(Step& step, Job& job, const PeerId& peer, const Session& session) {
    Client& client = *job.client.write();
    const std::uint64_t known = client.incarnation;
    bool is_early = known == 0 && client.peer == peer;  // its first block was faster
    bool is_owner = known != 0 && known == session.epoch.incarnation;
    if (!is_early && !is_owner) return;
    client.incarnation = session.epoch.incarnation;
    if (is_early) owners_.persistence.opened(step, job);
    client.peer = peer;
    // It may have handed the job over in another life of the broker: whoever has it still says so.
    if (is_early || session.minor < wire::minor_of_holds) client.lease_until.reset();
    tell_credit(step, job, true);
    if (job.total()) step.send(peer, wire::Sealed{.job = job.id, .total = *job.total()});
    // What it was told of that before its hello, or over its last connection, may be lost.
    if (is_elsewhere(job)) step.send(peer, Gathering::located(job));
}

}  // namespace fanfold::broker
