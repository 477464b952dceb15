// Jobs on their way from one gatherer to another. Passes what the broker says about them to Giving
// and to Taking, adds a job that has come to the table of jobs, and removes one that has gone.
// Which of the two gatherers has a job, the broker decides. Owned by the gatherer's core, on its
// thread.
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
