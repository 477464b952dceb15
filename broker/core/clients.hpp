// Whose a running job is: its client's connection, its lease when that is gone, and what it is
// told: credit, and what the job waits for. Owned by the core's thread.
//
// Invariant: credit told to a client never shrinks.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/core/endings.hpp"
#include "broker/core/gathering.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Clients {
public:
    explicit Clients(const Owners& owners) : owners_(owners) {}

    /// A new job of the client that its specification names.
    void open(const Step& step, Job& job, std::uint64_t token);
    /// The job is whole.
    void seal(Job& job);

    /// Tells the owner how far its job is accepted and what it may send ahead; unless `always`,
    /// when that has become much more.
    void tell_credit(Step& step, Job& job, bool always = false);
    /// Whether its user may have more held; if not, the job waits.
    bool has_room(const Step& step, Job& job);
    /// A job that waits until its user has fewer bytes held goes on when it has.
    void offer_room(Step& step, Job& job);
    /// Tells the owner what its job waits for, if that is news.
    void notify(Step& step, Job& job);
    /// A worker has come, or goes: tells those who had none, or have none any more.
    void notify(Step& step, const std::vector<Pool*>& pools, std::size_t members);
    /// The store takes nothing: the clients are told.
    void tell_trouble(Step& step, const std::string& text);
    /// The job runs again.
    void reopen(Step& step, Job& job);

    /// What a client has to know that goes on with the job.
    wire::Found offer(Job& job);
    /// A client comes with the key of a job that is not whole, and whose own client is gone.
    void take_over(Step& step, Job& job, const PeerId& peer, std::uint64_t token);
    void lose_client(const Step& step, const PeerId& peer);
    /// The peer speaks of the job, which may be its own.
    void hear(Job& job, const PeerId& peer);
    /// The peer knows the job's token: it is its own.
    void claim(Job& job, const PeerId& peer);
    void adopt_client(Step& step, const PeerId& peer);
    /// Its client is gone for longer than the lease.
    static bool is_unleased(const Job& job, Time now) {
        return job.client->lease_until && *job.client->lease_until <= now;
    }
    /// After a start its client has to come back for it, unless nobody's connection matters to it.
    void restore_lease(Job& job);

private:
    void adopt(Step& step, Job& job, const PeerId& peer, const Session& session);
    std::optional<Duration> lease_of(const Job& job) const;
    /// What the job waits for, if for anything; and whether that is room for its user's payloads.
    std::pair<std::string, bool> wait_of(const Step& step, const Job& job) const;

    const Owners& owners_;
};

}  // namespace fanfold::broker
