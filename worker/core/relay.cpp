#include "worker/core/relay.hpp"

#include <algorithm>

#include "worker/limits.hpp"

namespace fanfold::worker {

void Relay::send(Step& step, const Results& results, const Briefs& briefs,
                 const std::vector<wire::Unreached>& walls) {
    if (credit_ == 0 || sent_ || step.now < not_before_) return;
    const auto waits = [&](const auto& kept) {
        const wire::GathererRef& gatherer = briefs.at(kept.first).gatherer;
        return gatherer.minor >= wire::minor_of_relays &&
               std::ranges::find(walls, gatherer.name, &wire::Unreached::gatherer) != walls.end();
    };
    const auto& jobs = results.jobs();
    const auto after_last = jobs.upper_bound(last_);
    auto next = std::find_if(after_last, jobs.end(), waits);
    if (next == jobs.end()) next = std::find_if(jobs.begin(), after_last, waits);
    if (next == jobs.end() || (next == after_last && !waits(*next))) return;
    const auto& [job, kept] = *next;
    last_ = job;
    for (const KeptRun* run : kept.overlapping(kept.indices().ranges(), credit_)) {
        if (!sent_) sent_ = Sent{job, run->range.begin};
        step.act(SendBroker{
            wire::Relay{.results = {.job = job,
                                    .first = run->range.begin,
                                    .count = static_cast<std::uint32_t>(run->range.size()),
                                    .meta = run->meta},
                        .number = ++number_},
            run->body, true});
    }
}

bool Relay::on_marked(Time now, const wire::Marked& marked, const Results& results) {
    if (marked.number <= first_number) return false;
    if (!sent_ || marked.number != number_) return true;
    // Released: it is safe.
    if (results.indices(sent_->job).contains(sent_->first)) not_before_ = now + limits::relay_again;
    sent_.reset();
    return true;
}

}  // namespace fanfold::worker
