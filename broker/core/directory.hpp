// Jobs found by their keys: a client that comes with the key of a job that is not whole takes it
// over, once the client before is gone. Owned by the core's thread.
#pragma once

#include <vector>

#include "broker/core/clients.hpp"
#include "broker/state/jobs.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class Directory {
public:
    Directory(Jobs& jobs, Sessions& sessions, Clients& clients)
        : jobs_(jobs), sessions_(sessions), clients_(clients) {}

    void on_find(Step& step, const PeerId& from, const wire::Find& find);
    /// Answers those who have waited for long enough, or need not wait any more.
    void answer(Step& step);
    bool waits() const { return !finds_.empty(); }

private:
    struct Waiting {
        PeerId from;
        wire::Find find;
        Time until{};
    };
    bool answer(Step& step, const PeerId& from, const wire::Find& find, bool at_last);

    Jobs& jobs_;
    Sessions& sessions_;
    Clients& clients_;
    std::vector<Waiting> finds_;  // the client that has the job may be dead, which shows soon
};

}  // namespace fanfold::broker
