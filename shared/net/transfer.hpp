// Messages into sockets and out of them. On the thread of the socket.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"
#include "shared/net/backlog.hpp"
#include "shared/net/parts.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::net {

/// `unread`: so much waits for the peer already that nothing is sent to it until it reads.
enum class Sent : std::uint8_t { yes, would_block, unroutable, unread };
/// How a body travels, if the last endpoint of the socket is tcp.
struct Travel {
    bool compress = false;  // compressed (packing.hpp), where that makes it smaller
    bool in_parts = false;  // a long one in parts (parts.hpp)
};
/// On a DEALER or PUSH. Never blocks.
Sent send(zmq::socket_t& socket, const wire::Message& message, const Slice& body = {},
          Travel travel = {});
/// On a ROUTER, to one peer. Never blocks.
Sent send_to(zmq::socket_t& socket, Backlog& backlog, const PeerId& peer,
             const wire::Message& message, const Slice& body = {}, Travel travel = {});

struct Incoming {
    PeerId from;  // of a ROUTER; else empty
    Result<wire::Message> message;
    Slice body;
    std::string address{};  // of the host a Hello comes from, where the transport has any
    std::string user_id{};  // of a socket with a gatekeeper: the key that was proved
    std::size_t header_bytes = 0;
    bool ignored = false;                   // and so not read: there is no message
    bool is_part = false;                   // of this message, whose body is not whole yet
    std::optional<std::uint64_t> packed{};  // the body is compressed; it becomes so many bytes
};
/// Whether a message is to be dropped unread, by its sender: decoding costs far more than
/// receiving.
using Ignores = std::function<bool(const PeerId& from, const std::string& user_id)>;
/// The next message, if there is one now. Without `parts` none may come in parts.
std::optional<Incoming> receive(zmq::socket_t& socket, Parts* parts = nullptr);
/// The same, with its body as it came; unpack() is for who has room for it.
std::optional<Incoming> receive_packed(zmq::socket_t& socket, Parts* parts = nullptr,
                                       const Ignores& ignores = {});
/// Makes the body what it was before it was compressed; there is no message if that can't be.
void unpack(Incoming& incoming);

}  // namespace fanfold::net
