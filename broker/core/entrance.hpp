// Who is let in: Hello is answered by Welcome, or by a refusal. Owned by the core's thread; it has
// no state of its own.
#pragma once

#include <optional>
#include <vector>

#include "broker/core/gathering.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Entrance {
public:
    explicit Entrance(const Owners& owners) : owners_(owners) {}

    /// A new session, and what it follows.
    struct Joined {
        PeerId earlier;  // the connection that this life of the peer had before
    };
    /// Nothing: the peer is refused, has its session already, or has to say it again, since it is
    /// not yet known whether another of its name lives.
    std::optional<Joined> on_hello(Step& step, const Received& event, wire::Hello& hello);
    /// The keys that are let in have changed: returns those that are not let in any more, each of
    /// which has been told.
    std::vector<PeerId> on_keys_changed(Step& step, KeysChanged change);
    /// Tells the gatherer who is let in.
    void tell_keys(Step& step, const PeerId& gatherer);

private:
    bool is_refused(Step& step, const PeerId& peer, const wire::Hello& hello, const Sender& sender);
    bool is_name_of_another(const wire::Hello& hello, const Sender& sender) const;
    bool is_name_taken(Step& step, const Received& event, const wire::Hello& hello);
    wire::Welcome welcome_of(const Sender& sender);

    const Owners& owners_;
};

}  // namespace fanfold::broker
