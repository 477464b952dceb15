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
    const bool fresh = !needs_.sessions.find(peer);
    if (fresh && is_name_of_another(hello, sender)) {
        needs_.conduct.deny_aloud(step, peer, sender, "Hello of a gatherer that is another user's",
                                  "the gatherer's name '" + hello.gatherer.name +
                                      "' is that of another user's; choose another with --name");
        return true;
    }
    if (std::string why = why_too_much(hello); !why.empty())
        return refuse(wire::RefusalCode::too_large, why);
    if (!fresh || hello.role != wire::Role::gatherer) return false;
    if (needs_.sessions.is_past(hello)) {
        needs_.conduct.pass_over(step, peer,
                                 "Hello of an earlier life of gatherer " + hello.gatherer.name);
        return refuse(wire::RefusalCode::conflict,
                      "the gatherer '" + hello.gatherer.name +
                          "' has been started again since; choose another name with --name");
    }
    if (needs_.sessions.has_room_for(hello)) return false;
    return refuse(wire::RefusalCode::overloaded,
                  "the broker takes at most " + std::to_string(limits::gatherers) +
                      " gatherers; stop one first, or give this one to another broker");
}

/// Whether that name is the one of another user's gatherer, which is connected, or for which jobs
/// wait.
bool Entrance::is_name_of_another(const wire::Hello& hello, const Sender& sender) const {
    if (hello.role != wire::Role::gatherer) return false;
    const std::string& name = hello.gatherer.name;
    return std::ranges::any_of(needs_.sessions.gatherers(),
                               [&](const PeerId& peer) {
                                   const Session& other = needs_.sessions.at(peer);
                                   return other.gatherer.name == name &&
                                          other.sender.user != sender.user;
                               }) ||
           needs_.gathering.is_awaited_of_another(name, sender.user);
}

wire::Welcome Entrance::welcome_of(const Sender& sender) {
    wire::Welcome welcome{.epoch = needs_.options.epoch, .blocks = needs_.options.blocks};
    welcome.gatherers = needs_.sessions.told_gatherers();
    welcome.heartbeat = needs_.sessions.heartbeat();
    welcome.timeout = std::chrono::floor<wire::Milliseconds>(needs_.options.worker_timeout);
    const std::uint64_t most = needs_.users.limits_of(sender.user).payload_bytes;
    welcome.payload_bytes =
        most > 0 ? std::min<std::uint64_t>(most, limits::payload_bytes) : limits::payload_bytes;
    welcome.block_bytes = limits::block_bytes;
    welcome.job_credit = needs_.payloads.room_of(sender.user);
    return welcome;
}

std::optional<Entrance::Joined> Entrance::on_hello(Step& step, const PeerId& peer,
                                                   wire::Hello& hello, const Sender& sender) {
    if (is_refused(step, peer, hello, sender)) return std::nullopt;
    step.send(peer, welcome_of(sender));
    Session* known = needs_.sessions.find(peer);
    if (known) needs_.sessions.hear(step, *known, sender);
    const Session& session = known ? *known : needs_.sessions.add(step, peer, hello, sender);
    if (session.role == wire::Role::gatherer) tell_keys(step, peer);
    if (known) return std::nullopt;
    step.note(
        {.what = "peer joined", .peer = session.name, .detail = wire::to_string(session.role)});
    return Joined{.earlier = needs_.sessions.earlier(peer), .past = needs_.sessions.past(session)};
}

std::vector<PeerId> Entrance::on_keys_changed(Step& step, KeysChanged change) {
    needs_.users.change_keys(std::move(change));
    std::vector<PeerId> out;
    for (const auto& [peer, session] : needs_.sessions.all())
        if (!needs_.users.is_let_in(session)) out.push_back(peer);
    for (const PeerId& peer : out)
        step.send(peer, wire::Refused{.code = wire::RefusalCode::not_allowed,
                                      .text = "the key of this connection is no longer let in; ask "
                                              "the broker's administrator"});
    return out;
}

void Entrance::tell_keys(Step& step, const PeerId& gatherer) {
    if (auto keys = needs_.users.allowed_keys()) step.send(gatherer, *std::move(keys));
}

}  // namespace fanfold::broker
