#include "shared/net/transfer.hpp"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string_view>
#include <utility>

#include "shared/base/limits.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/packing.hpp"

namespace fanfold::net {

namespace {
constexpr std::size_t copied_below = 8 << 10;  // libzmq copies a frame's first 8 KiB anyway

// libzmq hands frames from thread to thread by means that ThreadSanitizer does not see: here it is
// told.
#if defined(__SANITIZE_THREAD__)
void hand_over(const char* bytes) { __tsan_release(const_cast<char*>(bytes)); }
void take_over(const char* bytes) { __tsan_acquire(const_cast<char*>(bytes)); }
#else
void hand_over(const char*) {}
void take_over(const char*) {}
#endif

zmq::message_t frame_of(const Slice& bytes) {
    hand_over(bytes.data());
    // The holder keeps the bytes alive until libzmq's own thread is done with them.
    auto holder = std::make_unique<Slice>(bytes);
    auto release = [](void*, void* hint) { delete static_cast<Slice*>(hint); };
    return {const_cast<char*>(bytes.data()), bytes.size(), release, holder.release()};
}

zmq::message_t frame_of_body(const Slice& bytes) {
    if (bytes.size() < copied_below) return {bytes.data(), bytes.size()};
    return frame_of(bytes);
}

/// A ROUTER's peer, and what waits for it and the others.
struct To {
    const PeerId& peer;
    Backlog& backlog;
    const wire::Message& message;
};

Sent send_frames(zmq::socket_t& socket, std::string header, const Slice& body, const To* to) {
    constexpr auto now = zmq::send_flags::dontwait;
    constexpr auto more = now | zmq::send_flags::sndmore;
    try {
        auto last_or_more = body.empty() ? now : more;
        if (to) {
            auto held = to->backlog.hold(to->peer, to->message, std::move(header));
            if (!held) return Sent::unread;
            if (!socket.send(zmq::buffer(to->peer.bytes), more)) return Sent::would_block;
            if (!socket.send(frame_of(*held), last_or_more)) return Sent::would_block;
        } else if (!socket.send(zmq::buffer(header), last_or_more)) {
            return Sent::would_block;
        }
        if (!body.empty() && !socket.send(frame_of_body(body), now)) return Sent::would_block;
        return Sent::yes;
    } catch (const zmq::error_t& error) {
        if (error.num() == EHOSTUNREACH) return Sent::unroutable;
        throw;
    }
}

Sent send_in_parts(zmq::socket_t& socket, std::string header, const Slice& body, const To* to) {
    wire::Part part{.body_bytes = body.size(), .header = std::move(header)};
    for (std::size_t at = 0; at < body.size(); at += limits::part_bytes) {
        const std::size_t size = std::min(limits::part_bytes, body.size() - at);
        Sent sent = send_frames(socket, wire::encode(part), body.sub(at, size), to);
        if (sent != Sent::yes) return sent;
        part.header.clear();
    }
    return Sent::yes;
}

Sent send_message(zmq::socket_t& socket, const wire::Message& message, Slice body, Travel travel,
                  const To* to) {
    std::string header = wire::encode(message);
    const bool is_long = body.size() > limits::whole_bytes && travel.in_parts;
    if ((!travel.compress && !is_long) ||
        !socket.get(zmq::sockopt::last_endpoint).starts_with("tcp://"))
        return send_frames(socket, std::move(header), body, to);
    if (auto packed = travel.compress ? pack(header, body.view()) : std::nullopt) {
        header = std::move(packed->header);
        body = std::move(packed->body);
    }
    if (is_long && header.size() + limits::part_bytes <= limits::header_bytes)
        return send_in_parts(socket, std::move(header), body, to);
    return send_frames(socket, std::move(header), body, to);
}

Slice slice_of(zmq::message_t&& frame) {
    auto owner = std::make_shared<const zmq::message_t>(std::move(frame));
    take_over(owner->data<char>());
    return Slice::share(owner, owner->to_string_view());
}

/// A header that is no Part, and the body that came with it.
void read_whole(Incoming& incoming, std::string_view header) {
    auto packed = wire::decode_packed(header);
    if (!packed) {
        incoming.message = wire::decode(header);
    } else if (!*packed) {
        incoming.message = fail(packed->error().text);
    } else if (incoming.body.empty() && !incoming.is_part) {
        incoming.message = fail("a packed message has no body");
    } else {
        incoming.message = wire::decode((*packed)->header);
        incoming.packed = (*packed)->raw_bytes;
    }
}

void read(Incoming& incoming, std::string_view header, Parts* parts) {
    auto part = wire::decode_part(header);
    if (!part) {
        if (parts) parts->drop(incoming.from);
        return read_whole(incoming, header);
    }
    if (!*part || !parts) {
        incoming.message = fail(parts ? part->error().text : "no message comes here in parts");
        return;
    }
    auto frames = parts->take(incoming.from, *std::move(*part), incoming.body.view(),
                              std::chrono::steady_clock::now());
    if (!frames) {
        incoming.message = fail(frames.error().text);
        return;
    }
    incoming.is_part = !frames->whole;
    incoming.body = std::move(frames->body);
    read_whole(incoming, frames->header);
}

/// What is left of the message that this frame is of.
void drop_rest(zmq::socket_t& socket, zmq::message_t& frame) {
    while (frame.more()) (void)socket.recv(frame);
}
}  // namespace

Sent send(zmq::socket_t& socket, const wire::Message& message, const Slice& body, Travel travel) {
    return send_message(socket, message, body, travel, nullptr);
}

Sent send_to(zmq::socket_t& socket, Backlog& backlog, const PeerId& peer,
             const wire::Message& message, const Slice& body, Travel travel) {
    To to{peer, backlog, message};
    return send_message(socket, message, body, travel, &to);
}

std::optional<Incoming> receive(zmq::socket_t& socket, Parts* parts) {
    auto incoming = receive_packed(socket, parts);
    if (incoming && !incoming->is_part) unpack(*incoming);
    return incoming;
}

void unpack(Incoming& incoming) {
    if (!incoming.packed || !incoming.message) return;
    auto body =
        fanfold::unpack({.raw_bytes = *incoming.packed, .header = {}}, incoming.body.view());
    if (body) incoming.body = *std::move(body);
    else incoming.message = fail(body.error().text);
    incoming.packed.reset();
}

namespace {
std::string address_of(zmq::message_t& message) {
    const char* address = zmq_msg_gets(message.handle(), "Peer-Address");
    const std::string_view text = address ? address : "";
    const bool is_mapped = text.starts_with("::ffff:");  // sockets speak IPv6
    return std::string(is_mapped ? text.substr(7) : text);
}
}  // namespace

std::optional<Incoming> receive_packed(zmq::socket_t& socket, Parts* parts,
                                       const Ignores& ignores) {
    zmq::message_t frame;
    if (!socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
    Incoming incoming{{}, fail("no header"), {}, {}};
    if (socket.get(zmq::sockopt::type) == static_cast<int>(zmq::socket_type::router)) {
        incoming.from.bytes = frame.to_string();
        if (!frame.more()) return incoming;
        (void)socket.recv(frame);
    }
    // Only the gatekeeper sets this: a plain peer could claim it, so that nobody looks at it there.
    if (const char* user = zmq_msg_gets(frame.handle(), "User-Id")) incoming.user_id = user;
    incoming.header_bytes = frame.size();
    incoming.ignored = ignores && ignores(incoming.from, incoming.user_id);
    if (incoming.ignored) {
        drop_rest(socket, frame);
        return incoming;
    }
    take_over(frame.data<char>());
    zmq::message_t header = std::move(frame);
    if (header.more()) {
        (void)socket.recv(frame);
        if (frame.more()) {
            incoming.message = fail("a message has two frames at most");
            drop_rest(socket, frame);
            return incoming;
        }
        incoming.body = slice_of(std::move(frame));
    }
    read(incoming, header.to_string_view(), parts);
    if (incoming.message && std::holds_alternative<wire::Hello>(*incoming.message))
        incoming.address = address_of(header);
    return incoming;
}

}  // namespace fanfold::net
