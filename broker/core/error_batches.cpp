#include "broker/core/error_batches.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace fanfold::broker {

void ErrorBatches::flush(Step& step, Job& job, bool afresh) {
    FinalErrors& errors = job.books.errors();
    if (errors.empty()) return;
    for (const FinalError* error : errors.take_unwritten())
        owners_.persistence.error(step, job, *error);
    owners_.payloads.spill_outputs(job);
    if (job.assignment->gatherer.bytes.empty()) return;
    Duration patience = limits::resend_after;
    if (errors.batch().indices.empty()) {
        if (!choose(job)) return;
    } else if (afresh) {
        errors.mark_sent({}, {});
    } else if (errors.batch().sent != Time{}) {
        if (step.now - errors.batch().sent < errors.batch().patience) return;
        patience = std::min<Duration>(errors.batch().patience * 2, limits::longest_resend_patience);
        const Session& gatherer = owners_.sessions.at(job.assignment->gatherer);
        if (gatherer.knows_marks()) {
            errors.mark_sent(step.now, patience, true);
            return step.send(job.assignment->gatherer,
                             wire::Mark{.job = job.id, .number = errors.batch().indices.front()});
        }
    }
    const auto missing = errors.missing();
    for (Index index : missing) owners_.persistence.fetch_error(step, job, index);
    if (missing.empty()) send(step, job);
    errors.mark_sent(step.now, patience);
}

void ErrorBatches::flush(Step& step, const std::vector<JobId>& jobs) {
    for (const JobId& id : jobs)
        if (Job* job = owners_.jobs.find_running(id)) flush(step, *job);
}

void ErrorBatches::on_marked(Step& step, Job& job, const wire::Marked& marked) {
    const auto& batch = job.books.errors().batch();
    if (batch.asked && batch.indices.front() == marked.number) flush(step, job, true);
}

Payloads::Arrival ErrorBatches::put_back(Step& step, Job& job, Fetched& event) {
    FinalErrors& errors = job.books.errors();
    const Index index = event.record.number;
    if (!errors.all().contains(index) || errors.all().at(index).in_memory())
        return Payloads::Arrival::not_awaited;
    if (!event.sound || !errors.put_back(index, std::move(event.record.body)))
        return Payloads::Arrival::damaged;
    owners_.payloads.account(job);
    if (errors.missing().empty()) flush(step, job, true);
    return Payloads::Arrival::sound;
}

/// False: there is no room for it among what is on its way.
bool ErrorBatches::choose(Job& job) {
    FinalErrors::Batch batch = job.books.errors().next_batch();
    if (!owners_.payloads.may_go(batch.bytes)) return false;
    job.books.errors().choose(std::move(batch));
    owners_.payloads.account(job);
    return true;
}

void ErrorBatches::send(Step& step, Job& job) {
    const FinalErrors& errors = job.books.errors();
    wire::Errors message{.job = job.id, .failures = {}};
    Slice body;
    std::string outputs;
    const auto& indices = errors.batch().indices;
    for (Index index : indices) {
        const FinalError& error = errors.all().at(index);
        message.failures.push_back(error.failure);
        if (indices.size() == 1) body = error.output;
        else outputs += error.output.view();
    }
    if (indices.size() > 1) body = Slice::take(std::move(outputs));
    const Session& gatherer = owners_.sessions.at(job.assignment->gatherer);
    step.send(job.assignment->gatherer, std::move(message), std::move(body),
              gatherer.knows_marks());
}

}  // namespace fanfold::broker
