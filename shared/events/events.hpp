// What all cores have in common: the notes that they take instead of writing logs, and the
// events that all shells deliver. Plain values, used on a core's own thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "shared/base/access.hpp"
#include "shared/base/ids.hpp"
#include "shared/base/lived_time.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold {

enum class Level : std::uint8_t { trace, debug, info, warn, error };

/// One line for the log, as fields; the shell writes it, or does not, by its level. A core formats
/// no text for it on a hot path: `what` is a literal, `detail` is for the rare.
struct Note {
    Level level = Level::info;
    const char* what = "";  // "chunk dispatched", in a few plain words
    std::optional<JobId> job = {};
    Range range = {};           // empty: not about fragments
    std::string peer = {};      // the name of the worker, gatherer or client it is about
    std::uint32_t attempt = 0;  // 0: not about an attempt
    Duration took{-1};          // negative: nothing was timed
    std::string detail = {};
};

/// A control or collect message from a peer, known by its connection.
struct Received {
    PeerId from;
    wire::Message message;
    Slice body;
    Sender sender = {};
    std::string address = {};  // of the peer's host, where the transport has any
};

/// A message from a PULL socket: of its connection nothing is known but whose it is.
struct Pulled {
    wire::Message message;
    Slice body;
    Sender sender = {};
    bool left_out = false;  // the body, which was packed, and there is no room for it
};

/// A part of a message that the sender may send: it lives, and the rest is on its way. From the
/// peer that a DEALER is connected to, `from` is empty.
struct Arriving {
    PeerId from = {};
    Sender sender = {};
};

/// A message that its sender may not send, by the roles of its key. The core has not seen it.
struct Denied {
    PeerId from;  // empty: from a PULL socket
    Sender sender;
    const char* what = "";  // the message's name
};

/// The keys that are let in from now on, and what their users may take: by user, for others as
/// `others`.
struct KeysChanged {
    std::vector<wire::AllowedKey> keys;
    std::map<std::string, UserLimits> limits;
    UserLimits others;
};

/// The router has no connection of that name (any more); or it has, and the peer does not read from
/// it.
struct Unroutable {
    PeerId peer;
    bool unread = false;
};

/// Bytes that were no message. `from` is empty when they came from a PULL socket.
struct Garbled {
    PeerId from;
    std::string why;
    Sender sender = {};
    std::size_t bytes = 0;  // of its header
};

/// Time has passed. Every shell steps its core with it at least every limits::longest_sleep
/// (idling.hpp).
struct Tick {};

/// A message to a peer by its connection. The shell reports a peer that is not there by Unroutable.
struct Send {
    PeerId to;
    wire::Message message;
    Slice body = {};
    bool in_parts = false;  // if the body is long: the peer understands that
};

}  // namespace fanfold
