// What goes into the broker's core and what comes out of it, and what each owner is told of the
// step under way. Plain values.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/base/limits.hpp"
#include "shared/base/lived_time.hpp"
#include "shared/events/events.hpp"
#include "shared/store/record.hpp"

namespace fanfold::broker {

/// The store fails, and what was accepted waits in memory to be written; an empty text: it works
/// again.
struct StoreTrouble {
    std::string text;
};

/// Received: on control. Pulled: a Block.
using Event = std::variant<Received, Pulled, Arriving, Denied, KeysChanged, Unroutable, Garbled,
                           StoreTrouble, Fetched, Committed, Tick>;

/// To be written. What a step sends after it must not be sent before it is safe (but for what
/// promises_nothing()).
struct Persist {
    Record record;
};
using Action = std::variant<Send, Persist, Fetch, Note>;

/// Whether the message may be sent before what was persisted ahead of it is safe.
bool promises_nothing(const wire::Message& message);

struct Options {
    Epoch epoch;
    std::vector<std::string> blocks;  // endpoints of the PULL socket, as peers reach them
    Duration worker_timeout = limits::peer_timeout;
    std::uint32_t crash_limit = limits::crash_limit;
    std::uint64_t memory_bytes = limits::broker_memory_bytes;  // of payloads held; durable: what
                                                               // exceeds it is in the store alone
    std::uint64_t relay_credit = limits::relay_credit;         // of a worker; 0: no relay
    bool durable = false;                                      // Persist actions are wanted
    Time started{};                                   // a moment of the clock that steps are told,
    std::chrono::milliseconds started_since_1970{0};  // and when that was
    Duration keep = limits::keep_ended;  // an ended job is remembered so long, with its results
    bool fixed_fleet = false;  // no other worker will ever come: a function that none offers is
                               // refused at once
    UserLimits user_limits{};  // of each user who has none of its own
};

/// One step of the core: when it happens, and where its actions go.
struct Step {
    Time now;
    LivedTime lived;
    std::vector<Action>& actions;

    void send(const PeerId& to, wire::Message message, Slice body = {}, bool in_parts = false) {
        actions.push_back(Send{to, std::move(message), std::move(body), in_parts});
    }
    void refuse(const PeerId& to, wire::RefusalCode code, std::string text,
                std::optional<JobId> job = {}) {
        bool usual = code == wire::RefusalCode::unknown_session;  // of all peers after a restart
        note({.level = usual ? Level::debug : Level::warn,
              .what = "refused",
              .job = job,
              .peer = to_string(to),
              .detail = text});
        send(to, wire::Refused{.code = code, .text = std::move(text), .job = job});
    }
    void note(Note note) { actions.push_back(std::move(note)); }
};

}  // namespace fanfold::broker
