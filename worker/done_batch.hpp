// What the broker is still to be told of finished, failed and returned fragments, and how it is cut into Done messages that
// stay within the limits. Owned by the worker's core, on its thread.
#pragma once

#include <map>
#include <vector>

#include "shared/messages.hpp"
#include "shared/range_set.hpp"
#include "shared/slice.hpp"

namespace fanfold::worker {

struct DoneMessage {
    wire::Done message;
    Slice body;  // the outputs of its failures, in their order
};

class DoneBatch {
public:
    /// Runs that follow one another are told as one.
    void finished(const wire::DoneRun& run);
    /// An output past limits::body_bytes can't travel and is left out.
    void failed(const JobId& job, wire::Failure failure, Slice output);
    void returned(const JobId& job, Range range);
    bool empty() const { return runs_.empty() && failures_.empty() && returned_.empty(); }

    /// Everything, in messages whose headers stay under half of limits::header_bytes and whose bodies under limits::body_bytes.
    std::vector<DoneMessage> take();

private:
    struct FailedFragment {
        JobId job;
        wire::Failure failure;
        Slice output;
    };

    std::vector<wire::DoneRun> runs_;
    std::vector<FailedFragment> failures_;
    std::map<JobId, RangeSet> returned_;
};

}  // namespace fanfold::worker
