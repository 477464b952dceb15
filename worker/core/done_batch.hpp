// What the broker is still to be told of finished, failed, returned and recalled fragments, and how
// it is cut into Done messages that stay within the limits. Owned by the worker's core, on its
// thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"
#include "worker/limits.hpp"

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
    /// Why a fragment is returned that can't be run here.
    void troubled(wire::Trouble trouble);
    /// Given back because a Recall asks for it.
    void recalled(const JobId& job, Range range);
    /// This dispatch has come, with so many bytes of payloads.
    void arrived(std::uint64_t dispatch, std::uint64_t bytes) {
        arrived_ = std::max(arrived_, dispatch);
        untold_bytes_ += bytes;
    }
    /// All that the Recalls up to this number ask for has been given back, or stays.
    void obeyed(std::uint64_t recall) { recall_ = recall; }
    /// The broker numbers its Recalls and dispatches anew.
    void begin_session() { recall_ = recall_told_ = arrived_ = untold_bytes_ = 0; }
    bool answers_recall() const { return recall_ != recall_told_; }
    bool empty() const {
        return runs_.empty() && failures_.empty() && returned_.empty() && recalled_.empty() &&
               !answers_recall() && !tells_arrivals();
    }

    /// Everything, in messages whose headers stay under half of limits::header_bytes and whose
    /// bodies under limits::body_bytes. The last one says which Recall is obeyed: what that gave
    /// back is in it and those before.
    std::vector<DoneMessage> take();

private:
    bool tells_arrivals() const { return untold_bytes_ >= limits::told_arrival; }
    struct FailedFragment {
        JobId job;
        wire::Failure failure;
        Slice output;
    };

    std::vector<wire::DoneRun> runs_;
    std::vector<FailedFragment> failures_;
    std::map<JobId, RangeSet> returned_;
    std::map<JobId, RangeSet> recalled_;
    std::vector<wire::Trouble> troubles_;  // of what is returned
    std::uint64_t recall_ = 0;
    std::uint64_t recall_told_ = 0;
    std::uint64_t arrived_ = 0;
    std::uint64_t untold_bytes_ = 0;  // that arrived since the broker was last told
};

}  // namespace fanfold::worker
