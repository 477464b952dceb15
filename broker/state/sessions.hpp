// Who is connected: sessions by connection, their names, which are gatherers, and whether they are
// alive. Owned by the core's thread.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/state/session.hpp"
#include "broker/state/step.hpp"

namespace fanfold::broker {

class Sessions {
public:
    using All = IndexedMap<PeerId, Session>;

    explicit Sessions(const Options& options) : options_(options) {}

    /// A new session; `hello` is used up.
    Session& add(const Step& step, const PeerId& peer, wire::Hello& hello, const Sender& sender);
    /// The connection of another life that has the name which a worker or a gatherer comes with.
    /// There is one at most. A worker's name is its user's own.
    std::optional<PeerId> namesake(const wire::Hello& hello, const std::string& user) const;
    /// A worker whose connection is gone, under a name that no connection has, with what it has
    /// on loan still to be given to it.
    Session& add_absent(const PeerId& absent, const Session& before);
    /// A message of the peer; its roles may have changed.
    void hear(const Step& step, Session& session, const Sender& sender);
    /// A part of a message of the peer.
    void hear(const Step& step, const Arriving& part);
    Session take_out(const PeerId& peer);
    /// Says heartbeats, when it is time to. Returns those that were silent for too long.
    std::vector<PeerId> beat(Step& step);

    Session* find(const PeerId& peer) {
        auto it = all_.find(peer);
        return it == all_.end() ? nullptr : &it->second;
    }
    const Session* find(const PeerId& peer) const {
        auto it = all_.find(peer);
        return it == all_.end() ? nullptr : &it->second;
    }
    Session& at(const PeerId& peer) { return all_.at(peer); }
    const Session& at(const PeerId& peer) const { return all_.at(peer); }
    All& all() { return all_; }
    const All& all() const { return all_; }
    const std::set<PeerId>& gatherers() const { return gatherers_; }
    /// For peers; as many as one message takes, since no more are let in.
    std::vector<wire::GathererRef> told_gatherers() const;
    /// Whether there is room for the gatherer, or it replaces one that is there.
    bool has_room_for(const wire::Hello& hello) const;
    std::optional<PeerId> gatherer_named(const std::string& name) const;
    /// Whether a gatherer that is here may have jobs that it has not told of. One that can store
    /// nothing says nothing, and none is waited for long.
    bool await_jobs(LivedTime lived) const;
    /// The connection that this life of the peer had before.
    PeerId earlier(const PeerId& peer) const;
    /// The sessions of other lives of a worker, which may be gone.
    std::vector<PeerId> other_lives(const Session& worker) const;
    /// The name of the connection's session, for logs.
    std::string name_of(const PeerId& peer) const;
    /// That, its user and its host's address, as far as they are known, for the log of who did
    /// what.
    std::string who(const PeerId& peer) const;

    wire::Milliseconds heartbeat() const;
    Time next_beat() const { return next_beat_; }
    void check_invariants() const;

private:
    const Options& options_;
    All all_;
    std::set<PeerId> gatherers_;                     // of the sessions,
    std::map<std::string, std::set<PeerId>> names_;  // and whose they are
    Time next_beat_{};
};

}  // namespace fanfold::broker
