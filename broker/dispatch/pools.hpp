// Who could run what: for each distinct demand of the running jobs a pool, with the workers that
// meet it, in the order in which they are lent something, and its jobs that have something to lend,
// in the order of their turns. So a decision is a look at the first of each, and a change of a
// worker or of a job is a step in a tree. Owned by the broker's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - a worker is a member of each pool whose demand it meets, and has a place in those of which it
// could take something now;
// - a job is in at most one line, and a line that can go on is in heads_ with its first turn;
// - while the first job for a free slot waits for one, nothing of its pool whose turn comes later
// fills the queues of workers, or none would become free. (Of other pools: the dispatcher sees to
// it.)
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/state/job.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

/// What jobs ask of a worker.
struct Demand {
    std::string function{};
    std::vector<std::string> require{};       // sorted labels
    std::vector<wire::Resource> resources{};  // sorted; what each chunk on loan takes
    explicit Demand(const wire::JobSpec& spec);
    auto operator<=>(const Demand&) const = default;
    bool met_by(const Session& worker) const;
    bool fits(const Session& worker) const;
    /// For people: "no worker that offers the function 'render' has the label 'gpu' and
    /// mem=2147483648".
    std::string unmet() const;
};

/// Where a job stands in the order of being served: by priority, then by what it was served for its
/// weight.
struct Turn {
    std::int32_t priority = 0;
    double served = 0;
    JobId id{};
    Job* job = nullptr;
    explicit Turn(Job& of)
        : priority(of.standing->share.priority), served(of.standing->served), id(of.id), job(&of) {}
    bool operator<(const Turn& other) const {
        return std::tie(other.priority, served, id) < std::tie(priority, other.served, other.id);
    }
};

/// Jobs of one pool that have something to lend, and wait for the same kind of worker.
struct Line {
    Pool* pool = nullptr;
    bool queueing =
        false;  // what they have may wait at a worker, behind other work; else it needs a free slot
    bool stuck = false;        // no worker wants it, until one changes
    std::set<Turn> turns{};    // the next first
    std::optional<Turn> head;  // as it stands among the heads
};

struct Pool {
    Demand demand;
    std::set<JobId> jobs{};      // running
    std::set<PeerId> members{};  // workers that meet the demand
    std::set<Place>
        places{};  // those of which something could be had now; the first is served first
    std::uint64_t slots = 0;  // usable ones of the members
    Duration round_trip{};    // to the nearest of them; 0: not known
    Line for_slots{}, to_queue{};
    /// Jobs whose next fragment not every worker may have, until one changes.
    std::set<JobId> choosy{};
    explicit Pool(Demand what) : demand(std::move(what)) {
        for_slots.pool = to_queue.pool = this, to_queue.queueing = true;
    }
    bool idle() const { return !places.empty() && !places.begin()->full; }
    bool has_ready() const { return !for_slots.turns.empty() || !to_queue.turns.empty(); }
};

class Pools {
public:
    /// A worker has come; goes; or its load has changed: its place, if there is anything to be had
    /// of it.
    void join(const PeerId& peer, Session& worker);
    void leave(const PeerId& peer, Session& worker);
    void move(Session& worker, std::optional<Place> place);

    /// How far the nearest worker of each pool is.
    void measure(const Sessions::All& sessions);

    /// A job begins to run, and ends.
    void enter(Job& job, Sessions::All& sessions);
    void exit(Job& job);

    /// The job has something to lend, which may wait at a worker or not; or it has nothing.
    void ready(Job& job, bool queueing);
    void park(Job& job);

    /// The line whose first job's turn it is; nullptr when nobody can be served.
    Line* next();
    /// No worker wants what the first of this line has.
    void stick(Line& line);

    std::map<Demand, Pool>& all() { return pools_; }
    void check_invariants(const Sessions::All& sessions) const;

private:
    void place_heads(Pool& pool);
    void place_head(Line& line, bool may_go);
    void drop_unused(Sessions::All& sessions);

    std::map<Demand, Pool> pools_;
    std::map<Turn, Line*> heads_;
};

}  // namespace fanfold::broker
