#include "worker/handlers/task_report.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "shared/base/machine.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

wire::Microseconds between(Time from, Time to) {
    return std::chrono::duration_cast<wire::Microseconds>(to - from);
}

}  // namespace

void TaskReport::begin(const Task& task) {
    task_ = task.number;
    values_.begin(task.first, task.body.size());
    seen_.reset();
}

void TaskReport::begin_run(Time now) {
    run_started_ = now;
    run_stamp_ = microseconds_since_1970();
    seen_.reset();
}

void TaskReport::flush(Time now) { deliver_part(values_.take_all(values_.next()), now); }

void TaskReport::keep_with_room(std::string& value, Time now) {
    if (values_.size() + value.size() > limits::block_bytes) flush(now);
    values_.add_with_room(value);
    if (values_.size() >= limits::block_bytes) flush(now);
}

void TaskReport::deliver_part(ValueBuffer::Part part, Time now) {
    seen_.reset();
    if (part.count == 0) return;
    const auto elapsed = between(run_started_, std::max(now, run_started_));
    deliver(Values{.task = task_,
                   .first = part.first,
                   .count = part.count,
                   .body = std::move(part.body),
                   .started = run_stamp_,
                   .elapsed = elapsed});
    run_stamp_ += elapsed;
    run_started_ = std::max(now, run_started_);
}

void TaskReport::fail(wire::Failure failure, Time now, std::optional<Time> began,
                      std::optional<wire::TroubleKind> trouble) {
    if (!began) began = now - (now - run_started_) / (values_.waiting() + 1);
    const Index index = values_.next();
    deliver_part(values_.take_all(index + 1), *began);
    failure.index = index;
    failure.started = run_stamp_;
    failure.elapsed = between(*began, now);
    deliver(Failed{.task = task_, .failure = std::move(failure), .output = {}, .trouble = trouble});
    begin_run(now);
}

void TaskReport::scan(Time now) {
    if (seen_) {
        // When nothing was finished meanwhile, what runs now has run since that scan.
        const bool same = values_.next() == seen_->next;
        deliver_part(values_.take_copy(), same ? seen_->at : now);
    } else if (values_.waiting() > 0) {
        seen_ = {now, values_.next()};
    }
}

bool TaskReport::overrun(Index index, Time began) {
    if (!values_.close_at(index)) return false;
    deliver_part(values_.take_copy(), began);
    deliver(Overran{.task = task_, .index = index});
    return true;
}

}  // namespace fanfold::worker
