// What clients ask of jobs that are there: to end, to tell of their end, to have another share of
// the fleet, to run again, to be forgotten. Owned by the core's thread; it has no state of its own.
#pragma once

#include "broker/core/clients.hpp"
#include "broker/core/endings.hpp"
#include "broker/core/gathering.hpp"

namespace fanfold::broker {

/// The owners below.
struct RequestsNeeds {
    Jobs& jobs;
    Sessions& sessions;
    Users& users;
    Conduct& conduct;
    Persistence& persistence;
    Dispatcher& dispatcher;
    Retention& retention;
    Endings& endings;
    Gathering& gathering;
    Clients& clients;
};

class Requests {
public:
    explicit Requests(const RequestsNeeds& needs) : needs_(needs) {}

    void on_cancel(Step& step, const PeerId& from, const wire::Cancel& cancel);
    void on_watch(Step& step, const PeerId& from, const wire::Watch& watch);
    void on_adjust(Step& step, const PeerId& from, const wire::Adjust& adjust);
    void on_retry(Step& step, const PeerId& from, const wire::Retry& retry);
    void on_forget(Step& step, const PeerId& from, const wire::Forget& forget);

private:
    Job* find(Step& step, const PeerId& from, const JobId& id, const char* what);
    Job* find_or_refuse(Step& step, const PeerId& from, const JobId& id, const char* what);

    RequestsNeeds needs_;
};

}  // namespace fanfold::broker
