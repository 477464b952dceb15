#include "scatterer/core/ending.hpp"

#include <utility>

namespace fanfold::scatterer {

namespace {
void count_delivered(wire::Concluded& end, const Collection& collection) {
    const RangeSet& delivered = collection.delivered();
    end.failures = collection.failures();
    end.values = delivered.size() - end.failures;
    RangeSet unexplained;
    unexplained.add({0, end.total.value_or(0)});
    for (Range range : delivered.ranges()) unexplained.remove(range);
    for (wire::Missing& item : end.missing) {
        RangeSet left(item.ranges);
        for (Range range : delivered.ranges()) left.remove(range);
        item.ranges = left.ranges();
        for (Range range : item.ranges) unexplained.remove(range);
    }
    if (!unexplained.empty()) end.missing.push_back({"not delivered", unexplained.ranges()});
    std::erase_if(end.missing, [](const wire::Missing& item) { return item.ranges.empty(); });
    for (const auto& [kind, failed] : collection.failed())
        end.missing.push_back({wire::to_string(kind), failed.ranges()});
}
/// What has neither a value nor is missing at the broker has failed, and the gatherer knows how.
bool promises_failures_beyond(const wire::Ended& ended, std::uint64_t failures) {
    if (!ended.total) return false;
    std::uint64_t others = ended.values + failures;
    for (const wire::Missing& item : ended.missing) {
        if (item.ranges.size() == limits::missing_ranges) return false;  // there may be more
        for (Range range : item.ranges) others += range.size();
    }
    return others < *ended.total;
}
}  // namespace

wire::Concluded end_of(const wire::Ended& ended, const Collection* collection) {
    wire::Concluded end{.job = ended.job,
                        .outcome = ended.outcome,
                        .reason = ended.reason,
                        .total = ended.total,
                        .values = ended.values,
                        .failures = 0,
                        .late = 0,
                        .missing = ended.missing};
    if (collection) count_delivered(end, *collection);
    return end;
}

Verdict judge(const wire::Ended& ended, const Collection& collection, const MuteGatherer& mute) {
    bool failed = ended.outcome == wire::Outcome::failed;
    bool all_promised =
        ended.outcome == wire::Outcome::complete || ended.outcome == wire::Outcome::partial;
    bool lacks_values = collection.values() < ended.values;
    bool lacks_failures = all_promised && promises_failures_beyond(ended, collection.failures());
    bool lacks = !failed && (lacks_values || lacks_failures);
    // What a gatherer keeps in a store is worth waiting for until it is started again.
    bool has_store = mute.gatherer && mute.gatherer->has_store();
    Duration patience = !lacks      ? Duration(limits::conclusion_patience)
                        : has_store ? Duration(limits::gatherer_patience)
                                    : Duration(limits::results_patience);
    if (mute.silent < patience) return Verdict::wait;
    return lacks && all_promised ? Verdict::lost : Verdict::conclude;
}

std::string lost_text(const wire::Ended& ended, const wire::GathererRef* gatherer) {
    return "job " + to_string(ended.job) + " has ended as " + wire::to_string(ended.outcome) +
           ", but its gatherer " + (gatherer ? gatherer->name : std::string()) +
           " does not send its results; they are lost if it was started again, else collect them "
           "later by the job's id";
}

}  // namespace fanfold::scatterer
