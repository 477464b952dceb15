#include "broker/core/entrance.hpp"

#include <algorithm>
#include <utility>

#include "broker/core/intake_limits.hpp"

namespace fanfold::broker {

bool Entrance::is_refused(Step& step, const PeerId& peer, const wire::Hello& hello,
                          const Sender& sender) {
    auto refuse = [&](wire::RefusalCode code, std::string text) {
        step.refuse(peer, code, std::move(text));
        return true;
    };
    if (hello.major != wire::version_major) {
        auto ours = std::to_string(wire::version_major) + "." + std::to_string(wire::version_minor);
        auto theirs = std::to_string(hello.major) + "." + std::to_string(hello.minor);
        return refuse(wire::RefusalCode::version, "this broker speaks protocol version " + ours +
                                                      ", the peer " + theirs +
                                                      "; run the same release on both sides");
    }
    const bool fresh = !owners_.sessions.find(peer);
    if (fresh && is_name_of_another(hello, sender)) {
        owners_.conduct.deny_aloud(step, peer, sender, "Hello of a gatherer that is another user's",
                                   "the gatherer's name '" + hello.gatherer.name +
                                       "' is that of another user's; choose another with --name");
        return true;
    }
    if (std::string why = why_too_much(hello); !why.empty())
        return refuse(wire::RefusalCode::too_large, why);
    if (!fresh || hello.role != wire::Role::gatherer) return false;
    if (owners_.sessions.has_room_for(hello)) return false;
    return refuse(wire::RefusalCode::overloaded,
                  "the broker takes at most " + std::to_string(limits::gatherers) +
                      " gatherers; stop one first, or give this one to another broker");
}

/// Whether that name is the one of another user's gatherer, which is connected, or for which jobs
/// wait.
bool Entrance::is_name_of_another(const wire::Hello& hello, const Sender& sender) const {
    if (hello.role != wire::Role::gatherer) return false;
    const std::string& name = hello.gatherer.name;
    return std::ranges::any_of(owners_.sessions.gatherers(),
                               [&](const PeerId& peer) {
                                   const Session& other = owners_.sessions.at(peer);
                                   return other.gatherer.name == name &&
                                          other.sender.user != sender.user;
                               }) ||
           owners_.gathering.is_awaited_of_another(name, sender.user);
}

/// A name belongs to who lives, which only the other's next words or its closed connection can
/// show. Until then nothing is said: whoever is not answered says Hello again.
bool Entrance::is_name_taken(Step& step, const Received& event, const wire::Hello& hello) {
    auto namesake = owners_.sessions.namesake(hello, event.sender.user);
    if (!namesake) return false;
    Session& other = owners_.sessions.at(*namesake);
    const bool gathers = hello.role == wire::Role::gatherer;
    const std::string name = gathers ? hello.gatherer.name : hello.name;
    const bool is_past = gathers && other.epoch.number > hello.epoch.number;
    const bool lives = other.challenged && other.heard > *other.challenged;
    if (lives || !other.challenged) {
        other.challenged = step.lived;
        step.send(*namesake, wire::Heartbeat{});  // which shows a closed connection
    }
    if (is_past)
        owners_.conduct.pass_over(step, event.from, "Hello of an earlier life of gatherer " + name);
    else if (!lives) return true;
    auto place = [](const wire::GathererRef& gatherer, const std::string& address) {
        const std::string host = address.empty() ? "this host" : address;
        return gatherer.results.empty() ? host : gatherer.results.back() + " on " + host;
    };
    std::string text = std::string("the name '") + name + "' belongs to a " +
                       wire::to_string(hello.role) +
                       (is_past ? " of a later start, at " : " that lives, at ") +
                       place(other.gatherer, other.address) + "; this one, at " +
                       place(hello.gatherer, event.address) + ", needs another --name" +
                       (gathers ? " and a --state of its own" : "");
    step.refuse(event.from, wire::RefusalCode::conflict, std::move(text));
    return true;
}

wire::Welcome Entrance::welcome_of(const Sender& sender) {
    wire::Welcome welcome{.epoch = owners_.options.epoch, .blocks = owners_.options.blocks};
    welcome.gatherers = owners_.sessions.told_gatherers();
    welcome.heartbeat = owners_.sessions.heartbeat();
    welcome.timeout = std::chrono::floor<wire::Milliseconds>(owners_.options.worker_timeout);
    const std::uint64_t most = owners_.users.limits_of(sender.user).payload_bytes;
    welcome.payload_bytes =
        most > 0 ? std::min<std::uint64_t>(most, limits::payload_bytes) : limits::payload_bytes;
    welcome.block_bytes = limits::block_bytes;
    welcome.job_credit = owners_.payloads.room_of(sender.user);
    welcome.relay_credit = owners_.options.relay_credit;
    return welcome;
}

std::optional<Entrance::Joined> Entrance::on_hello(Step& step, const Received& event,
                                                   wire::Hello& hello) {
    const PeerId& peer = event.from;
    const Sender& sender = event.sender;
    if (is_refused(step, peer, hello, sender)) return std::nullopt;
    Session* known = owners_.sessions.find(peer);
    if (!known && is_name_taken(step, event, hello)) return std::nullopt;
    step.send(peer, welcome_of(sender));
    if (known) owners_.sessions.hear(step, *known, sender);
    Session& session = known ? *known : owners_.sessions.add(step, peer, hello, sender);
    if (!known) session.address = event.address;
    if (session.role == wire::Role::gatherer) tell_keys(step, peer);
    if (known) return std::nullopt;
    step.note({.what = "peer joined",
               .peer = session.name,
               .detail = wire::to_string(session.role) +
                         (session.address.empty() ? "" : " at " + session.address)});
    return Joined{.earlier = owners_.sessions.earlier(peer)};
}

std::vector<PeerId> Entrance::on_keys_changed(Step& step, KeysChanged change) {
    owners_.users.change_keys(std::move(change));
    std::vector<PeerId> out;
    for (const auto& [peer, session] : owners_.sessions.all())
        if (!owners_.users.is_let_in(session)) out.push_back(peer);
    for (const PeerId& peer : out)
        step.send(peer, wire::Refused{.code = wire::RefusalCode::not_allowed,
                                      .text = "the key of this connection is no longer let in; ask "
                                              "the broker's administrator"});
    return out;
}

void Entrance::tell_keys(Step& step, const PeerId& gatherer) {
    if (auto keys = owners_.users.allowed_keys()) step.send(gatherer, *std::move(keys));
}

}  // namespace fanfold::broker
