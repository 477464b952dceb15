#include "gatherer/core/moves.hpp"

#include <utility>
#include <vector>

namespace fanfold::gatherer {

void Moves::on_hand_over(Step& step, const wire::HandOver& order) {
    if (!order.stop) return parts_.giving.begin(step, parts_.jobs.find(order.job), order);
    keep(step, order.job);
    parts_.taking.drop(step, order.job);
}

/// A job of that name is a copy that was left here when it was to come before.
void Moves::on_row(Step& step, wire::HandedRow row, Slice body) {
    Job* copy = row.number == 1 ? parts_.jobs.find(row.job) : nullptr;
    if (copy) parts_.jobs.forget(step, *copy);
    parts_.taking.on_row(step, std::move(row), std::move(body));
}

void Moves::on_taken(Step& step, const wire::RowTaken& taken) {
    if (Job* job = parts_.jobs.find(taken.job)) parts_.giving.on_taken(step, *job, taken);
}

void Moves::on_assign(Step& step, const wire::Assign& assign) {
    keep(step, assign.job);
    if (auto job = parts_.taking.take(step, assign.job))
        return parts_.jobs.take_in(step, std::move(job), assign);
    parts_.jobs.assign(step, assign);
}

void Moves::keep(Step& step, const JobId& id) {
    Job* job = parts_.jobs.find(id);
    if (!job || !parts_.giving.end(*job)) return;
    parts_.jobs.go_on(step, *job);
    parts_.collecting.resume(step, *job);
}

void Moves::on_forget(Step& step, const JobId& id) {
    if (Job* job = parts_.jobs.find(id); job && parts_.giving.end(*job))
        step.actions.push_back(Note{.what = "a job has gone to another gatherer", .job = id});
    parts_.taking.drop(step, id);
    parts_.jobs.on_forget(step, id);
}

void Moves::on_fetched(Step& step, const JobId& id) {
    if (Job* job = parts_.jobs.find(id)) parts_.giving.pump(step, *job);
}

void Moves::on_welcome(Step& step, Greeting greeting) {
    if (greeting == Greeting::again || greeting == Greeting::doubted) return;
    std::vector<Job*> came;
    for (auto& job : parts_.taking.take_all(step))
        came.push_back(&parts_.jobs.insert(std::move(job)));
    parts_.jobs.on_welcome(step, greeting);
    for (Job* job : came) parts_.jobs.go_on(step, *job);
    for (const JobId& id : parts_.giving.all()) keep(step, id);
}

}  // namespace fanfold::gatherer
