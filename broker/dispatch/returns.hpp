// What comes back from workers: what is done, what they say that they hold, and what they leave
// behind when they are gone. Owned by the core's thread.
#pragma once

#include <vector>

#include "broker/dispatch/dispatcher.hpp"
#include "broker/state/conduct.hpp"
#include "broker/state/outbox.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Returns {
public:
    explicit Returns(const Owners& owners) : owners_(owners) {}

    /// Returns the jobs that have errors which are final.
    std::vector<JobId> on_done(Step& step, const PeerId& from, Session& worker, wire::Done& done,
                               const Slice& body);
    void on_inventory(Step& step, const PeerId& from, Session& worker,
                      const wire::Heartbeat& heartbeat);
    /// A worker has left in good order. Returns the jobs that it had something of.
    std::vector<JobId> leave(Step& step, const PeerId& peer, const Session& worker);
    /// The worker has a new connection.
    void take_over(Step& step, const PeerId& old_id, const PeerId& new_id);

private:
    void arrive(const Step& step, const PeerId& from, Session& worker, std::uint64_t dispatch);
    void finish(Step& step, const PeerId& from, Session& worker, const wire::DoneRun& run);
    void fail(Step& step, const PeerId& from, Session& worker, wire::JobFailures& failed,
              Slice& outputs);
    void reconcile(Step& step, const PeerId& from, Session& worker, Job& job,
                   const Books::Inventory& inventory, wire::Release& release);

    const Owners& owners_;
};

}  // namespace fanfold::broker
