// What clients ask of jobs that are there: to end, to tell of their end, to have another share of
// the fleet, to run again, to be forgotten. Owned by the core's thread; it has no state of its own.
#pragma once

#include "broker/core/clients.hpp"
#include "broker/core/endings.hpp"
#include "broker/core/gathering.hpp"
#include "broker/state/owners.hpp"

namespace fanfold::broker {

class Requests {
public:
    explicit Requests(const Owners& owners) : owners_(owners) {}

    void on_cancel(Step& step, const PeerId& from, const wire::Cancel& cancel);
    void on_cancel_fragments(Step& step, const PeerId& from, const wire::CancelFragments& cancel);
    void on_watch(Step& step, const PeerId& from, const wire::Watch& watch);
    void on_adjust(Step& step, const PeerId& from, const wire::Adjust& adjust);
    void on_retry(Step& step, const PeerId& from, const wire::Retry& retry);
    void on_forget(Step& step, const PeerId& from, const wire::Forget& forget);

private:
    Job* find(Step& step, const PeerId& from, const JobId& id, const char* what);
    Job* find_or_refuse(Step& step, const PeerId& from, const JobId& id, const char* what);

    const Owners& owners_;
};

}  // namespace fanfold::broker
