// A peer that is connected to the broker, by one control connection, and what each owner knows of
// it. Sessions holds them all, and writes what is not Owned.
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

#include "broker/books/loans.hpp"
#include "broker/books/lookup.hpp"
#include "broker/state/flow.hpp"
#include "broker/state/owned.hpp"
#include "shared/base/lived_time.hpp"
#include "shared/base/range_set.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

class Absences;
class Estimates;
class IdleWork;
class Loads;
class Outbox;
class Pools;
class Troubles;
struct Pool;
struct Session;

/// What a worker said of itself.
struct Offer {
    std::uint32_t slots = 0;
    std::set<std::string> functions;
    std::set<std::string> idempotent;  // of the functions: a fragment may run twice
    std::set<std::string> labels;
    std::map<std::string, std::uint64_t> resources;
};

/// A dispatch in a worker's session. What was adopted is one for each job.
struct LentKey {
    DispatchId dispatch{};
    JobId job{};
    auto operator<=>(const LentKey&) const = default;
};

/// What is left of a dispatched chunk on loan, and how long it should take by the estimate of its
/// time.
struct LentChunk {
    std::int64_t fragments = 0;
    Range range{};                // as it was dispatched; empty: adopted
    double nanoseconds_each = 0;  // on this worker; 0: not known
    double bytes_each = 0;
    bool alone = false;      // a suspect, the only fragment of its chunk
    bool exclusive = false;  // and no other suspect may be on this worker
    bool guest = false;      // it may run on the thread of a handler that waits for it
    bool waits = false;      // no slot was free for it
    LivedTime sent{};
    std::uint32_t missed = 0;  // inventories since then that did not count it as handled
};

/// What a worker has on loan, and how busy that makes it.
struct Load {
    std::map<LentKey, LentChunk> lent;
    double work = 0;  // sums over `lent`: nanoseconds,
    double bytes = 0;
    std::uint32_t unknown_chunks = 0;            // and chunks of which nobody knows the time,
    std::uint32_t guests = 0;                    // or which take no slot
    std::map<std::string, std::uint64_t> taken;  // of its resources, by chunks on loan
    std::uint32_t stuck_slots = 0;
    bool leaving = false;        // it wants nothing more, or nothing at present,
    std::string trouble;         // for this reason
    bool untold = false;         // it came back, and has not said yet what it holds
    std::uint64_t sequence = 0;  // of the last dispatch
    Flow flow;                   // of payloads; not counted of a worker that tells no arrivals
    Duration round_trip{};  // from a dispatch to what is said of it, without the run; 0: unknown
    std::uint64_t finished = 0;
    LivedTime rests_until{};                   // it was full and gave work back
    std::unordered_set<JobId, NameHash> jobs;  // of which it may hold something
    std::unordered_set<JobId, NameHash>
        briefs;  // that it was told of: Standing::knowing, from here
    std::unordered_set<JobId, NameHash> owed_briefs;  // of these, that it is told of again
    std::size_t in_slots() const { return lent.size() - guests; }
    /// In their order, so that a run can be replayed.
    std::vector<JobId> sorted_jobs() const {
        std::vector<JobId> sorted(jobs.begin(), jobs.end());
        std::ranges::sort(sorted);
        return sorted;
    }
};

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

/// A worker's part of the pools.
struct Membership {
    std::vector<Pool*> pools;
    std::optional<Place> place;
    std::uint32_t slots = 0;  // as what it counts in them
};

/// How many attempts at a function, or at a job's own commands, ended, and failed soon.
struct Tally {
    double ended = 0;
    double failed = 0;
};

/// What was asked back from a worker.
struct Recalls {
    std::uint64_t number = 0;        // of the last that was sent
    std::optional<LivedTime> until;  // its answer is awaited so long
    // Where it gives nothing back, it is asked again later and later, until it gets new work.
    Duration patience{};
    LivedTime rests_until{};
    std::uint64_t sequence = 0;  // of its last dispatch, when it was asked
};

/// A worker that is gone, and may come back.
struct Absence {
    LivedTime since{};
    // Jobs of which it holds what nobody else is given, and until when.
    std::map<JobId, LivedTime> waiting;
    std::vector<std::pair<JobId, Index>> accused;  // what was alone on it, and is queued again
    bool in_company = false;                       // several were: none can be blamed
};

struct Session {
    wire::Role role = wire::Role::client;
    Sender sender;  // whose connection it is
    std::string name;
    Epoch epoch;
    std::uint16_t minor = 0;  // the version that it speaks
    LivedTime joined{};
    LivedTime heard{};  // its last message
    Time beaten{};      // it was sent a heartbeat then
    Offer offer;        // of a worker
    wire::GathererRef gatherer;
    std::string address;  // of its host, where the transport has any
    /// Somebody else came with its name then: whether it lives will show.
    std::optional<LivedTime> challenged;
    bool told_jobs = false;                  // of a gatherer: it has said which jobs it has
    bool draining = false;                   // of a gatherer: its jobs are to go to others
    std::string trouble;                     // of a gatherer: why it can store nothing at present
    std::vector<wire::Unreached> unreached;  // gatherers that it can't connect to
    Owned<Loads, Load> load;
    Owned<Pools, Membership> membership;
    Owned<IdleWork, Recalls> recalls;
    Owned<Estimates, std::map<std::string, double>> paces;  // by function: how much longer it takes
    Owned<Troubles, std::map<std::string, Tally>> tallies;
    Owned<Outbox, std::map<JobId, std::vector<Range>>> releases;  // not told yet
    // Its connection is gone: the session is kept under a name that no connection has.
    Owned<Absences, std::optional<Absence>> absence;

    /// It speaks 1.7: it understands Mark and Examine, tells what has arrived, and takes bodies in
    /// parts.
    bool knows_marks() const { return minor >= wire::minor_of_marks; }
    /// A gatherer that says which jobs it has.
    bool knows_holds() const { return minor >= wire::minor_of_holds; }
    /// A gatherer that can hand jobs over, and take them.
    bool knows_moves() const { return minor >= wire::minor_of_moves; }
    std::uint32_t usable_slots() const {
        return load->leaving || load->untold
                   ? 0
                   : offer.slots - std::min(offer.slots, load->stuck_slots);
    }
    bool is_idle_worker() const {
        return role == wire::Role::worker && load->lent.empty() && load->jobs.empty();
    }
    bool has_free_slot() const { return load->in_slots() < usable_slots(); }
    bool reaches(const std::string& gatherer_name) const {
        return std::ranges::none_of(
            unreached, [&](const wire::Unreached& wall) { return wall.gatherer == gatherer_name; });
    }
};

}  // namespace fanfold::broker
