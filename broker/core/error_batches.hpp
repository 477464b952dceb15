// Final errors on their way to the gatherers, with what their commands wrote: one batch of a job at
// a time, again until it is confirmed. Owned by the core's thread.
//
// Invariant: the outputs that are on their way, all jobs together, are an eighth of --memory or one
// batch.
#pragma once

#include <vector>

#include "broker/state/owners.hpp"
#include "broker/state/payloads.hpp"
#include "broker/state/sessions.hpp"

namespace fanfold::broker {

class ErrorBatches {
public:
    explicit ErrorBatches(const Owners& owners) : owners_(owners) {}

    /// Writes down what is new, lets go of what memory has no room for, and sends the next batch,
    /// unless one is on its way: with `afresh`, that one is lost.
    void flush(Step& step, Job& job, bool afresh = false);
    void flush(Step& step, const std::vector<JobId>& jobs);
    /// What came of the batch was told before: what was not is lost.
    void on_marked(Step& step, Job& job, const wire::Marked& marked);
    /// The store's answer: an output of the batch.
    Payloads::Arrival put_back(Step& step, Job& job, Fetched& event);

private:
    bool choose(Job& job);
    void send(Step& step, Job& job);

    const Owners& owners_;
};

}  // namespace fanfold::broker
