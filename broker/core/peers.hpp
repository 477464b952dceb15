// Who is connected to the broker: one session for each control connection. Owned by the broker's
// core, on its thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_set>
#include <vector>

#include "broker/core/lookup.hpp"
#include "shared/base/range_set.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

/// What is left of a dispatched chunk on loan, and how long it should take by the estimate of its
/// time.
struct LentChunk {
    std::int64_t fragments = 0;
    Range range{};                // as it was dispatched; empty: adopted
    double nanoseconds_each = 0;  // on this worker; 0: not known
    double bytes_each = 0;
    bool alone = false;      // a suspect, the only fragment of its chunk
    bool exclusive = false;  // and no other suspect may be on this worker
    LivedTime sent{};
    std::uint32_t missed = 0;  // inventories since then that did not count it as handled
};

/// A dispatch in a worker's session. What was adopted bears the number 0, once for each job.
struct LentKey {
    std::uint64_t sequence = 0;
    JobId job{};
    auto operator<=>(const LentKey&) const = default;
};

struct Pool;
struct Session;

/// Where a worker stands among those that could be lent something: the least is served first.
struct Place {
    bool full = false;  // no slot is free: it is lent only what may queue
    double load = 0;
    PeerId worker{};
    Session* session = nullptr;
    bool operator<(const Place& other) const {
        return std::tie(full, load, worker) < std::tie(other.full, other.load, other.worker);
    }
};

struct Session {
    wire::Role role = wire::Role::client;
    Sender sender;  // whose connection it is
    std::string name;
    Epoch epoch;
    LivedTime heard{};  // its last message
    Time beaten{};      // it was sent a heartbeat then

    // a worker
    std::uint32_t slots = 0;
    std::uint32_t stuck_slots = 0;
    std::set<std::string> functions;
    std::set<std::string> idempotent;  // of the functions: a fragment may run twice
    std::set<std::string> labels;
    std::map<std::string, std::uint64_t> resources;  // all that it has
    std::map<std::string, std::uint64_t> taken;      // of them, by chunks on loan
    std::map<std::string, double> paces;  // by function: how much longer it takes than others
    LivedTime rests_until{};              // it was full and gave work back
    std::uint64_t sequence = 0;           // of the last dispatch
    std::map<LentKey, LentChunk> lent;
    double lent_work = 0;  // sums over `lent`: nanoseconds,
    double lent_bytes = 0;
    std::uint32_t unknown_chunks = 0;       // and chunks of which nobody knows the time
    std::uint64_t recall = 0;               // the last that was sent
    std::optional<LivedTime> recall_until;  // and its answer is awaited so long
    std::uint64_t finished = 0;
    std::vector<Pool*> pools;  // that it is in,
    std::optional<Place> place;
    std::uint32_t pooled_slots = 0;              // and as what it counts in them
    std::unordered_set<JobId, NameHash> jobs;    // of which it may hold something
    std::unordered_set<JobId, NameHash> briefs;  // that it was told of: Job::knowing, from here
    std::map<JobId, std::vector<Range>>
        releases;  // to be told with the next Release; some: it is in Core::releasing_

    // a gatherer
    wire::GathererRef gatherer;

    /// In their order, so that a run can be replayed.
    std::vector<JobId> sorted_jobs() const {
        std::vector<JobId> sorted(jobs.begin(), jobs.end());
        std::ranges::sort(sorted);
        return sorted;
    }
    std::uint32_t usable_slots() const { return slots - std::min(slots, stuck_slots); }
    bool is_idle_worker() const {
        return role == wire::Role::worker && lent.empty() && jobs.empty();
    }
    bool has_free_slot() const { return lent.size() < usable_slots(); }
};

/// By connection.
using Sessions = IndexedMap<PeerId, Session>;

}  // namespace fanfold::broker
