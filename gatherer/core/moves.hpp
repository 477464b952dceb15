// Jobs on their way between gatherers: each is at one of them at any moment, for the broker says
// whose it is. Brings what is said of that to who gives and who takes, and the jobs out of the
// table and into it. Owned by the gatherer's core, on its thread.
#pragma once

#include "gatherer/core/giving.hpp"
#include "gatherer/core/jobs.hpp"
#include "gatherer/core/taking.hpp"

namespace fanfold::gatherer {

class Moves {
public:
    struct Parts {
        Jobs& jobs;
        Collecting& collecting;
        Giving& giving;
        Taking& taking;
    };
    explicit Moves(Parts parts) : parts_(parts) {}

    void on_hand_over(Step& step, const wire::HandOver& order);
    void on_row(Step& step, wire::HandedRow row, Slice body);
    void on_taken(Step& step, const wire::RowTaken& taken);
    void on_assign(Step& step, const wire::Assign& assign);
    /// The broker speaks of the job itself: it stays.
    void keep(Step& step, const JobId& id);
    void on_forget(Step& step, const JobId& id);
    void on_fetched(Step& step, const JobId& id);
    /// Another session: nothing is on its way any more.
    void on_welcome(Step& step, Greeting greeting);

private:
    Parts parts_;
};

}  // namespace fanfold::gatherer
