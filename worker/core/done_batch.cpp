#include "worker/core/done_batch.hpp"

#include <string>
#include <utility>

#include "shared/base/limits.hpp"

namespace fanfold::worker {

namespace {

// How many bytes of a header an item takes at most, its texts aside.
constexpr std::size_t run_bytes = 64;
constexpr std::size_t failure_bytes = 128;
constexpr std::size_t group_bytes = 40;
constexpr std::size_t range_bytes = 24;
constexpr std::size_t number_bytes = 16;

/// Fills one message after the other; an item goes where there is room for it.
class Filler {
public:
    explicit Filler(std::vector<DoneMessage>& messages) : messages_(messages) {}

    /// The message that has room for so much more.
    wire::Done& with_room(std::size_t header, std::size_t body) {
        bool full =
            header_ + header > limits::header_bytes / 2 || body_ + body > limits::body_bytes;
        if (full) close();
        if (messages_.empty() || closed_) messages_.emplace_back(), closed_ = false;
        header_ += header;
        body_ += body;
        return messages_.back().message;
    }
    void add_output(Slice output) {
        if (!output.empty()) outputs_.push_back(std::move(output));
    }
    void add_ranges(const std::map<JobId, RangeSet>& jobs,
                    std::vector<wire::JobRanges> wire::Done::*list) {
        for (const auto& [job, ranges] : jobs) {
            for (Range range : ranges.ranges()) {
                auto& told = with_room(group_bytes + range_bytes, 0).*list;
                if (told.empty() || told.back().job != job)
                    told.push_back({.job = job, .ranges = {}});
                told.back().ranges.push_back(range);
            }
        }
    }
    void close() {
        if (messages_.empty() || closed_) return;
        if (outputs_.size() == 1) {
            messages_.back().body = std::move(outputs_.front());
        } else if (!outputs_.empty()) {
            std::string joined;
            joined.reserve(body_);
            for (const Slice& output : outputs_) joined += output.view();
            messages_.back().body = Slice::take(std::move(joined));
        }
        outputs_.clear();
        header_ = body_ = 0;
        closed_ = true;
    }

private:
    std::vector<DoneMessage>& messages_;
    std::vector<Slice> outputs_;
    std::size_t header_ = 0;
    std::size_t body_ = 0;
    bool closed_ = false;
};

}  // namespace

void DoneBatch::finished(const wire::DoneRun& run) {
    if (!runs_.empty() && runs_.back().job == run.job &&
        runs_.back().range.end == run.range.begin) {
        runs_.back().range.end = run.range.end;
        runs_.back().busy += run.busy;
        runs_.back().bytes += run.bytes;
        return;
    }
    runs_.push_back(run);
}

void DoneBatch::failed(const JobId& job, wire::Failure failure, Slice output) {
    if (output.size() > limits::body_bytes) output = {};
    failure.output_bytes = output.size();
    failures_.push_back({job, std::move(failure), std::move(output)});
}

void DoneBatch::returned(const JobId& job, Range range) { returned_[job].add(range); }

void DoneBatch::troubled(wire::Trouble trouble) { troubles_.push_back(std::move(trouble)); }

void DoneBatch::recalled(const JobId& job, Range range) { recalled_[job].add(range); }

std::vector<DoneMessage> DoneBatch::take() {
    std::vector<DoneMessage> messages;
    Filler filler(messages);
    for (wire::DoneRun& run : runs_) filler.with_room(run_bytes, 0).runs.push_back(run);
    for (FailedFragment& item : failures_) {
        std::size_t header =
            group_bytes + failure_bytes + item.failure.message.size() + item.failure.worker.size();
        wire::Done& done = filler.with_room(header, item.output.size());
        if (done.failures.empty() || done.failures.back().job != item.job)
            done.failures.push_back({.job = item.job, .failures = {}});
        done.failures.back().failures.push_back(std::move(item.failure));
        filler.add_output(std::move(item.output));
    }
    // Before what they explain.
    for (wire::Trouble& item : troubles_)
        filler.with_room(failure_bytes + item.reason.size(), 0).troubles.push_back(std::move(item));
    filler.add_ranges(returned_, &wire::Done::returned);
    filler.add_ranges(recalled_, &wire::Done::recalled);
    if (answers_recall() || tells_arrivals()) filler.with_room(number_bytes, 0);
    filler.close();
    for (DoneMessage& part : messages) part.message.recall = recall_told_;
    if (!messages.empty()) {
        messages.back().message.recall = recall_told_ = recall_;
        messages.back().message.arrived = arrived_;
        untold_bytes_ = 0;
    }
    runs_.clear();
    failures_.clear();
    returned_.clear();
    recalled_.clear();
    troubles_.clear();
    return messages;
}

}  // namespace fanfold::worker
