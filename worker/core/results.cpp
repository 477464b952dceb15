#include "worker/core/results.hpp"

#include <limits>
#include <utility>

#include "shared/base/result.hpp"

namespace fanfold::worker {

namespace {

void push(Step& step, const JobId& job, const KeptRun& run, const wire::GathererRef& gatherer) {
    step.act(PushResults{.to = gatherer,
                         .message = {.job = job,
                                     .first = run.range.begin,
                                     .count = static_cast<std::uint32_t>(run.range.size()),
                                     .meta = run.meta},
                         .body = run.body});
}

}  // namespace

void Results::add(Step& step, const JobId& job, KeptRun run, const wire::GathererRef& gatherer) {
    push(step, job, run, gatherer);
    KeptResults& kept = jobs_[job];
    count(kept, false);
    kept.add(std::move(run), step.now);
    count(kept, true);
}

void Results::release(Step& step, const JobId& job, Range range) {
    auto at = jobs_.find(job);
    if (at == jobs_.end()) return;
    count(at->second, false);
    at->second.release(range, step.now);
    count(at->second, true);
    if (at->second.empty()) jobs_.erase(at);
}

void Results::send_again(Step& step, const wire::SendAgain& message) {
    step.act(Note{.level = Level::info,
                  .what = "results pushed again, the broker asks for them",
                  .job = message.job});
    auto at = jobs_.find(message.job);
    if (at == jobs_.end()) return;
    for (const KeptRun* run :
         at->second.overlapping(message.ranges, std::numeric_limits<std::uint64_t>::max())) {
        push(step, message.job, *run, message.gatherer);
    }
    at->second.pushed_again(step.now);
}

void Results::ask_of_overdue(Step& step, const Briefs& briefs) {
    if (step.now < next_check_) return;
    next_check_ = step.now + limits::resend_check;
    for (auto& [job, kept] : jobs_) {
        if (step.now < kept.due()) continue;
        const wire::GathererRef& gatherer = briefs.at(job).gatherer;
        if (gatherer.minor < wire::minor_of_marks) {
            push_again(step, job, kept, kept.indices().ranges(), briefs);
        } else {
            step.act(PushMark{gatherer, {.job = job, .number = ++marks_}});
            kept.asked(marks_, step.now);
        }
    }
}

void Results::on_marked(Step& step, const wire::Marked& marked, const Briefs& briefs) {
    auto at = jobs_.find(marked.job);
    if (at == jobs_.end()) return;
    auto lost = at->second.lost(marked.number);
    if (!lost.empty()) push_again(step, marked.job, at->second, lost, briefs);
}

void Results::push_again(Step& step, const JobId& job, KeptResults& kept,
                         const std::vector<Range>& ranges, const Briefs& briefs) {
    auto runs = kept.overlapping(ranges, limits::resend_bytes);
    for (const KeptRun* run : runs) push(step, job, *run, briefs.at(job).gatherer);
    kept.pushed_again(step.now);
    step.act(Note{.level = Level::info,
                  .what = "results pushed again, they were lost on their way",
                  .job = job,
                  .range = {runs.front()->range.begin, runs.back()->range.end}});
}

const RangeSet& Results::indices(const JobId& job) const {
    static const RangeSet none;
    auto at = jobs_.find(job);
    return at == jobs_.end() ? none : at->second.indices();
}

void Results::count(const KeptResults& kept, bool add) {
    const std::uint64_t sign = add ? 1 : ~std::uint64_t{0};
    bytes_ += sign * kept.bytes();
    ranges_ += sign * kept.indices().range_count();
}

void Results::check_invariants() const {
    std::uint64_t bytes = 0;
    std::uint64_t ranges = 0;
    for (const auto& [job, kept] : jobs_) {
        FANFOLD_CHECK(!kept.empty());
        kept.check_invariants();
        bytes += kept.bytes();
        ranges += kept.indices().range_count();
    }
    FANFOLD_CHECK(bytes == bytes_);
    FANFOLD_CHECK(ranges == ranges_);
}

}  // namespace fanfold::worker
