// What goes into the gatherer's core and what comes out of it. Plain values.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "shared/events/events.hpp"
#include "shared/store/record.hpp"

namespace fanfold::gatherer {

/// A message from the broker on control.
struct FromBroker {
    wire::Message message;
    Slice body;
};

/// The store can't write what it was given, and why; an empty text: it can again.
struct StoreTrouble {
    std::string text;
};

/// Arriving: from the broker. Received: a collector's message. Pulled: a worker's Results. Denied:
/// either, of one who may not. Unroutable: a collector is gone.
using Event = std::variant<FromBroker, Arriving, Received, Pulled, Denied, Unroutable, Garbled,
                           Tick, StoreTrouble, Fetched, Committed>;

struct SendBroker {
    wire::Message message;
    Slice body = {};
};
/// The broker has been silent past its timeout: the shell makes a new connection (with a new
/// routing id).
struct Reconnect {};

/// A change of what is kept on disk. What is sent after it may be said when it is safe; Hello and
/// Heartbeat at once.
using Persist = Record;

/// Send: to a collector.
using Action = std::variant<Send, SendBroker, Reconnect, Note, Persist, Fetch>;

/// One step of the core: when it happens, and where its actions go.
struct Step {
    Time now;
    LivedTime lived;
    std::vector<Action>& actions;
};

}  // namespace fanfold::gatherer
