// What comes to the sockets that a daemon binds, as events for its core.
#pragma once

#include <utility>
#include <zmq.hpp>

#include "shared/base/limits.hpp"
#include "shared/events/events.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/gatekeeper.hpp"

namespace fanfold::net {

/// A core that does not say has room.
template <class Core>
bool has_room_for(Core& core, const wire::Message& message, std::uint64_t body_bytes) {
    if constexpr (requires { core.has_room_for(message, body_bytes); })
        return core.has_room_for(message, body_bytes);
    else return true;
}

/// Takes the messages that have come to a ROUTER or a PULL, some at most, so that other sockets get
/// their turn; `step` gets each as an event. What `core` ignores is not even read. A message that
/// its sender's key is not for is Denied; bytes that are none, Garbled; all others are Received, or
/// Pulled; a part of one that is to be Received is Arriving. Without a gatekeeper everybody may
/// send everything.
template <class Core, class Step>
void take_in(zmq::socket_t& socket, const Gatekeeper* gatekeeper, Core& core, Step step,
             Parts* parts = nullptr) {
    const bool routes =
        socket.get(zmq::sockopt::type) == static_cast<int>(zmq::socket_type::router);
    const Ignores ignores = [gatekeeper, &core](const PeerId& from, const std::string& user_id) {
        return core.is_ignored(
            from, Sender{.user = {}, .roles = {}, .public_key = gatekeeper ? user_id : ""});
    };
    for (int i = 0; i < limits::messages_a_turn; ++i) {
        auto incoming = receive_packed(socket, routes ? parts : nullptr, ignores);
        if (!incoming) return;
        if (incoming->ignored) continue;
        Sender sender;
        if (gatekeeper) {
            auto admitted = gatekeeper->admit(*incoming);
            if (admitted) sender = *std::move(admitted);
            else {
                if (parts) parts->drop(incoming->from);
                step(std::move(admitted.error()));
                continue;
            }
        }
        if constexpr (requires { step(Arriving{}); })
            if (incoming->is_part && incoming->message) {
                step(Arriving{std::move(incoming->from), std::move(sender)});
                continue;
            }
        // Bodies are unpacked for who may send them, once the unpacked size is known to have room.
        bool left_out = incoming->packed && incoming->message && !routes &&
                        !has_room_for(core, *incoming->message, *incoming->packed);
        if (!left_out) unpack(*incoming);
        auto& message = incoming->message;
        if (!message)
            step(Garbled{std::move(incoming->from), message.error().text, std::move(sender),
                         incoming->header_bytes});
        else if (routes)
            step(Received{std::move(incoming->from), *std::move(message), std::move(incoming->body),
                          std::move(sender), std::move(incoming->address)});
        else
            step(Pulled{*std::move(message), std::move(incoming->body), std::move(sender),
                        left_out});
    }
}

}  // namespace fanfold::net
