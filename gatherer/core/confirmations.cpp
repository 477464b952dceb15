#include "gatherer/core/confirmations.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "gatherer/core/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::gatherer {

void Confirmations::add(Step& step, Job& job, Range range) {
    auto parts = job.assembly.received().within(range);
    if (parts.empty()) return;
    for (Range part : parts) job.unconfirmed.ranges.add(part);
    waiting_.insert(job.id);
    if (!flush_at_) flush_at_ = step.now + limits::confirm_within;
    if (++job.unconfirmed.runs >= limits::confirm_runs) flush(step, job);
}

void Confirmations::repeat(Step& step, Job& job) {
    for (Range range : job.assembly.received().ranges()) job.unconfirmed.ranges.add(range);
    if (!job.unconfirmed.ranges.empty()) waiting_.insert(job.id);
    flush(step, job);
}

void Confirmations::flush(Step& step, Job& job) {
    if (!broker_.can_send()) return;
    auto ranges = job.unconfirmed.ranges.ranges();
    drop(job);
    job.unconfirmed.sent_held_bytes = job.assembly.held_bytes();
    auto begin = ranges.begin();
    do {
        auto left = static_cast<std::size_t>(ranges.end() - begin);
        auto end = begin + static_cast<std::ptrdiff_t>(std::min(limits::gathered_ranges, left));
        wire::Gathered gathered{.job = job.id,
                                .ranges = {begin, end},
                                .held_bytes = job.unconfirmed.sent_held_bytes,
                                .round = job.life.round().number};
        gathered.failed = job.assembly.receipts().failed_within(gathered.ranges);
        broker_.send(step, std::move(gathered));
        begin = end;
    } while (begin != ranges.end());
}

void Confirmations::flush_unless_empty(Step& step, Job& job) {
    if (!job.unconfirmed.ranges.empty()) flush(step, job);
}

void Confirmations::flush_if_relieved(Step& step, Job& job) {
    bool broker_waits = job.unconfirmed.sent_held_bytes > limits::held_results_bytes;
    if (broker_waits && job.assembly.held_bytes() <= limits::held_results_bytes &&
        job.life.gathering())
        flush(step, job);
}

void Confirmations::cut(Job& job, std::uint64_t total) {
    job.unconfirmed.ranges.remove({total, std::numeric_limits<Index>::max()});
}

void Confirmations::drop(Job& job) {
    job.unconfirmed.ranges.clear();
    job.unconfirmed.runs = 0;
    waiting_.erase(job.id);
    if (waiting_.empty()) flush_at_.reset();
}

void Confirmations::on_time(Step& step, const JobTable& jobs) {
    if (!flush_at_ || *flush_at_ > step.now) return;
    flush_at_.reset();
    if (!broker_.can_send()) return;
    auto due = waiting_;
    for (const JobId& id : due) flush(step, *jobs.at(id));
}

void Confirmations::check_invariants(const JobTable& jobs) const {
    for (const auto& [id, job] : jobs) {
        for (Range range : job->unconfirmed.ranges.ranges())
            FANFOLD_CHECK(job->assembly.received().covers(range));
        FANFOLD_CHECK(job->unconfirmed.ranges.empty() || waiting_.contains(id));
    }
    for (const auto& id : waiting_) FANFOLD_CHECK(jobs.contains(id));
    FANFOLD_CHECK(!flush_at_ || !waiting_.empty());
}

}  // namespace fanfold::gatherer
