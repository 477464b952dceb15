// Who is connected to the broker: one session for each control connection. Owned by the broker's core, on its thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "shared/core.hpp"
#include "shared/range_set.hpp"

namespace fanfold::broker {

/// What is left of a dispatched chunk on loan, and how long it should take by the estimate of its time.
struct LentChunk {
    std::int64_t fragments = 0;
    double nanoseconds_each = 0;
    double bytes_each = 0;
    bool alone = false;        // a suspect, the only fragment of its chunk
    bool exclusive = false;    // and no other suspect may be on this worker
    Time sent{};               // in lived time
    std::uint32_t missed = 0;  // inventories since then that did not count it as handled
};

struct Session {
    wire::Role role = wire::Role::client;
    std::string name;
    Epoch epoch;
    Time heard{};  // lived time of its last message

    // a worker
    std::uint32_t slots = 0;
    std::uint32_t stuck_slots = 0;
    std::set<std::string> functions;
    Time rests_until{};                       // lived time: it was full and gave work back
    std::uint64_t sequence = 0;               // of the last dispatch
    std::map<std::uint64_t, LentChunk> lent;  // by the sequence of its dispatch; 0: what was adopted
    std::uint64_t finished = 0;
    std::set<JobId> jobs;                          // of which it may hold something
    std::map<JobId, std::vector<Range>> releases;  // to be told with the next Release

    // a gatherer
    wire::GathererRef gatherer;

    std::uint32_t usable_slots() const { return slots - std::min(slots, stuck_slots); }
};

/// By connection. Ordered, so that a run can be replayed.
using Sessions = std::map<PeerId, Session>;

}  // namespace fanfold::broker
