#include "worker/core/relay.hpp"

#include <algorithm>

namespace fanfold::worker {

namespace {
using Jobs = std::map<JobId, KeptResults>;

/// The job whose turn it is, of those that this gatherer has.
Jobs::const_iterator next_of(const Jobs& jobs, const Briefs& briefs, const std::string& gatherer,
                             const JobId& last) {
    const auto is_its = [&](const auto& kept) {
        const wire::GathererRef& known = briefs.at(kept.first).gatherer;
        return known.name == gatherer && known.minor >= wire::minor_of_relays;
    };
    const auto after = jobs.upper_bound(last);
    const auto next = std::find_if(after, jobs.end(), is_its);
    if (next != jobs.end()) return next;
    const auto from_begin = std::find_if(jobs.begin(), after, is_its);
    return from_begin == after ? jobs.end() : from_begin;
}
}  // namespace

void Relay::send(Step& step, const Results& results, const Briefs& briefs, const Walls& walls,
                 LivedTime lived) {
    if (credit_ == 0 || walls.empty() || step.now < next_look_) return;
    next_look_ = step.now + limits::resend_check;
    for (const wire::Unreached& wall : walls.list(lived)) {
        Way& way = ways_[wall.gatherer];
        if (way.sent && !results.keeps(way.sent->job)) way.sent.reset();
        if (way.sent || step.now < way.not_before) continue;
        const auto next = next_of(results.jobs(), briefs, wall.gatherer, way.last);
        if (next != results.jobs().end()) send(step, next->first, next->second, way);
    }
}

void Relay::send(Step& step, const JobId& job, const KeptResults& kept, Way& way) {
    const auto runs = kept.overlapping(kept.indices().ranges(), credit_);
    for (const KeptRun* run : runs)
        step.act(SendBroker{
            wire::Relay{.results = {.job = job,
                                    .first = run->range.begin,
                                    .count = static_cast<std::uint32_t>(run->range.size()),
                                    .meta = run->meta},
                        .number = ++number_},
            run->body, true});
    way.last = job;
    way.sent = Sent{job, runs.front()->range.begin, number_};
}

bool Relay::on_marked(Time now, const wire::Marked& marked, const Results& results) {
    if (marked.number <= first_number) return false;
    const auto at = std::ranges::find_if(ways_, [&](const auto& each) {
        return each.second.sent && each.second.sent->last_number == marked.number;
    });
    if (at == ways_.end()) return true;
    Way& way = at->second;
    const bool released = !results.indices(way.sent->job).contains(way.sent->first);
    way.sent.reset();
    way.not_before = now + (released ? Duration{} : way.patience);
    way.patience = released ? Duration{}
                            : std::clamp<Duration>(2 * way.patience, limits::relay_again,
                                                   limits::longest_resend_patience);
    next_look_ = now;
    return true;
}

}  // namespace fanfold::worker
