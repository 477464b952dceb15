// Workers that are gone without a word. Whether such a worker lives, nobody knows: its connection
// may have been cut. So what takes long waits for it, for a while; and what it ran alone is only
// accused, until it is back, another life of it comes, or nothing was heard of it for long. Owned
// by the core's thread.
//
// Invariant: an absent worker is in no pool, and nothing is sent to it.
#pragma once

#include <optional>
#include <set>
#include <vector>

#include "broker/dispatch/dispatcher.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Absences {
public:
    explicit Absences(const Owners& owners) : owners_(owners) {}

    // Each returns the jobs that may have errors which are final.
    using Jobs = std::vector<JobId>;

    /// The worker is gone; `worker` was its session.
    Jobs begin(Step& step, const PeerId& peer, const Session& worker);
    /// A worker has a session: those of its name that are gone and of another life have ended.
    Jobs on_joined(Step& step, const Session& worker);
    /// It is back, with what it holds; its session goes.
    void end(Step& step, const PeerId& absent);
    /// Gives up waiting where it is time to.
    Jobs sweep(Step& step);

private:
    void sweep(Step& step, const PeerId& absent, Jobs& concerned);
    /// `absent` is copied: what the caller has may be the name that is forgotten.
    Jobs forget(Step& step, PeerId absent, Verdict verdict);
    void give_up(Step& step, const PeerId& absent, Job& job, Death death);
    void make_room(Step& step, Jobs& failed);
    LivedTime patience(const Job& job, const Session& worker, LivedTime lived) const;
    bool is_replaced(const Session& worker) const;

    const Owners& owners_;
    std::set<PeerId> absent_;
};

}  // namespace fanfold::broker
