#include "tests/simulation/checker.hpp"

#include <algorithm>
#include <cmath>

#include "shared/base/limits.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::simulation {

namespace {
using namespace std::chrono_literals;
using wire::FailureKind;
using wire::GatherPolicy;
using wire::Outcome;
constexpr Duration slack = 1500ms;  // of a deadline's timer and of what it takes to tell
constexpr Duration slack_after_faults =
    50s;  // a message of the end may be lost; who collects asks again, ever more seldom

constexpr auto disk_is_full = "accepts nothing at present";

std::uint64_t tolerated(const wire::JobSpec& spec, std::uint64_t total) {
    if (spec.max_failures_percent > 0)
        return std::max(spec.max_failures,
                        static_cast<std::uint64_t>(std::floor(static_cast<double>(total) *
                                                              spec.max_failures_percent / 100)));
    return spec.max_failures;
}

/// How the fragment ends when it ends without a value by what it is.
std::optional<FailureKind> own_failure(const JobPlan& plan, Index index) {
    switch (plan.fragment(index).behaviour) {
        case Behaviour::value: return {};
        case Behaviour::flaky:
            return plan.spec.retries == 0 ? std::optional(FailureKind::failed) : std::nullopt;
        case Behaviour::fails: return FailureKind::failed;
        case Behaviour::overruns:
        case Behaviour::sticks: return FailureKind::timeout;
        case Behaviour::kills: return FailureKind::crashed;
    }
    return {};
}

bool may_have_value(const JobPlan& plan, Index index) {
    Behaviour behaviour = plan.fragment(index).behaviour;
    return behaviour == Behaviour::value || behaviour == Behaviour::flaky;
}
}  // namespace

Checker::Checker(const Scenario& scenario) : scenario_(scenario) {
    for (const JobPlan& plan : scenario.jobs) records_[plan.id].plan = &plan;
}

void Checker::complain(const std::string& what) {
    if (complaints_.size() < 20) complaints_.push_back(what);
}

void Checker::complain(const Collector& collector, const std::string& what) {
    complain("job #" + std::to_string(collector.plan->number) + ", " + collector.who + ": " + what);
}

// --- what is seen

Collector& Checker::begin(const JobPlan& plan, std::string who, Time now) {
    collectors_.push_back(std::make_unique<Collector>());
    Collector& collector = *collectors_.back();
    collector.plan = &plan;
    collector.who = std::move(who);
    collector.since = now;
    return collector;
}

void Checker::see(Collector& collector, Index index) {
    ++delivered_;
    if (index >= collector.plan->count)
        complain(collector, "unexpected fragment " + std::to_string(index));
    if (collector.values.contains(index) || collector.failures.contains(index))
        complain(collector, "fragment " + std::to_string(index) + " seen twice");
    if (collector.ordered && collector.last && index <= *collector.last)
        complain(collector, "fragment " + std::to_string(index) + " after " +
                                std::to_string(*collector.last) + ", though in order");
    if (collector.finished())
        complain(collector, "fragment " + std::to_string(index) + " after the end");
    collector.last = index;
}

void Checker::delivered(Collector& collector, Index first, std::uint32_t count,
                        std::string_view body) {
    for (Index index = first; index < first + count; ++index) {
        see(collector, index);
        collector.values.add({index, index + 1});
        auto length = wire::object_length(body);
        bool right = length && body.substr(0, *length) == collector.plan->value(index) &&
                     may_have_value(*collector.plan, index);
        if (!right) return complain(collector, "wrong value for fragment " + std::to_string(index));
        body.remove_prefix(*length);
    }
    if (!body.empty()) complain(collector, "bytes behind the values from " + std::to_string(first));
}

void Checker::failed(Collector& collector, const wire::Failure& failure) {
    see(collector, failure.index);
    collector.failures[failure.index] = failure.kind;
    auto expected = own_failure(*collector.plan, failure.index);
    if (failure.kind == expected) return;
    const Range dropped = collector.plan->dropped;
    if (failure.kind == FailureKind::cancelled && failure.index >= dropped.begin &&
        failure.index < dropped.end)
        return;
    if (failure.kind == FailureKind::crashed &&
        records_[collector.plan->id].dangers[failure.index] >= limits::crash_limit)
        return;
    complain(collector, "fragment " + std::to_string(failure.index) + " ended as " +
                            wire::to_string(failure.kind) + " (" + failure.message +
                            "), which is not its own fault");
}

void Checker::concluded(Collector& collector, const wire::Concluded& end, Time now) {
    if (collector.finished()) complain(collector, "a second last word");
    collector.concluded = end;
    collector.finished_at = now;
}

void Checker::refused(Collector& collector, const std::string& text, Time now) {
    if (collector.finished()) complain(collector, "a second last word");
    collector.refused = text;
    if (text.find(disk_is_full) != std::string::npos) records_[collector.plan->id].refused = true;
    collector.finished_at = now;
}

void Checker::opened(const JobPlan& plan, Time now) { records_[plan.id].opened = now; }

void Checker::sealed(const JobPlan& plan) { records_[plan.id].sealed = true; }

void Checker::executed(const JobPlan& plan, Index index, bool alone) {
    ++executions_;
    if (alone) ++records_[plan.id].lone_executions[index];
    auto& record = records_[plan.id];
    // What a broker with a disk has not said that it has accepted it may forget, and is sent again.
    if (!scenario_.durable[scenario_.broker()] || index < promises_.accepted(plan.id))
        ++record.executions[index];
}

void Checker::promised(const wire::Message& message) {
    if (scenario_.put_back) return;
    auto broken = promises_.say(message);
    if (!broken.empty())
        complain("job #" + std::to_string(plan_of(*wire::job_of(message))->number) + ": " + broken);
}

void Checker::endangered(const JobId& job, Index index) { ++records_[job].dangers[index]; }

const JobPlan* Checker::plan_of(const JobId& job) const {
    auto it = records_.find(job);
    return it == records_.end() ? nullptr : it->second.plan;
}

std::vector<Duration> Checker::job_times() const {
    std::vector<Duration> times;
    for (const auto& one : collectors_)
        if (one->concluded) times.push_back(one->finished_at - one->since);
    return times;
}

bool Checker::all_finished() const {
    return std::ranges::all_of(collectors_, [](const auto& one) { return one->finished(); });
}

std::string Checker::unfinished() const {
    std::string text;
    for (const auto& one : collectors_)
        if (!one->finished())
            text += (text.empty() ? "" : ", ") + ("job #" + std::to_string(one->plan->number)) +
                    " of " + one->who;
    return text;
}

// --- the judgement

void Checker::judge(const Disturbances& disturbances) {
    for (const auto& collector : collectors_) {
        judge_ended(*collector, disturbances);
        if (!collector->concluded) continue;
        if (collector->collects && !scenario_.memory_lost) judge_numbers(*collector);
        judge_outcome(*collector, disturbances);
        if (scenario_.many_kills) judge_kills(records_[collector->plan->id], *collector);
    }
    if (!scenario_.memory_lost) judge_agreement();
    judge_executions(disturbances);
}

/// A client may be too long without an answer; and what was never sealed its owner may have to give
/// up.
bool Checker::excused(const Collector& collector, const Disturbances& disturbances) const {
    auto says = [&](const char* what) {
        return collector.refused->find(what) != std::string::npos;
    };
    bool cut_off = !disturbances.client_cut_off.empty();
    if (scenario_.memory_lost) return true;
    if (cut_off && (says("no broker answers") || says("did not come back in"))) return true;
    if (disturbances.any &&
        (says("no gatherer") || says("does not send its results") || says(disk_is_full)))
        return true;
    if (records_.at(collector.plan->id).refused && says("there is no job")) return true;
    bool promised = records_.at(collector.plan->id).sealed && !collector.plan->spec.attached;
    return !promised && (disturbances.client_died.contains(collector.plan->client) || cut_off);
}

void Checker::judge_ended(const Collector& collector, const Disturbances& disturbances) {
    if (!collector.finished()) return complain(collector, "has not ended");
    if (collector.refused) {
        if (!excused(collector, disturbances))
            complain(collector, "refused: " + *collector.refused);
        return;
    }
    const auto& opened = records_[collector.plan->id].opened;
    if (collector.died || !opened || collector.plan->spec.deadline.count() == 0) return;
    if (scenario_.put_back) return;  // a gatherer that lost the job takes its time to say so
    Time due = std::max(*opened + Duration(collector.plan->spec.deadline), collector.since) +
               limits::deadline_grace + slack;
    due += disturbances.clocks_jumped;
    if (!scenario_.faults.empty())
        due = std::max(due, Time{} + scenario_.quiet_after + slack_after_faults);
    due = std::max(due, collector.consumed_at + slack);  // a slow user keeps only itself waiting
    if (collector.finished_at > due)
        complain(collector, "ended " + std::to_string((collector.finished_at - due) / 1ms) +
                                " ms past its deadline and grace");
}

void Checker::judge_numbers(const Collector& collector) {
    const wire::Concluded& end = *collector.concluded;
    if (collector.values.size() != end.values || collector.failures.size() != end.failures)
        complain(collector, std::string(wire::to_string(end.outcome)) + " with " +
                                std::to_string(end.values) + " values and " +
                                std::to_string(end.failures) + " failures, delivered " +
                                std::to_string(collector.values.size()) + " and " +
                                std::to_string(collector.failures.size()));
    RangeSet missing;
    for (const auto& item : end.missing)
        for (Range range : item.ranges)
            if (missing.add(range) != range.size())
                complain(collector, "fragments are missing for two reasons");
    for (Range range : missing.ranges())
        if (!collector.values.within(range).empty())
            complain(collector, "fragments are missing that have a value");
    if (end.total && missing.size() + end.values != *end.total)
        complain(collector, std::string(wire::to_string(end.outcome)) + ": of " +
                                std::to_string(*end.total) + " fragments, " +
                                std::to_string(end.values) + " have a value and " +
                                std::to_string(missing.size()) + " are missing");
}

void Checker::judge_outcome(const Collector& collector, const Disturbances& disturbances) {
    const JobPlan& plan = *collector.plan;
    const wire::JobSpec& spec = plan.spec;
    const wire::Concluded& end = *collector.concluded;
    // Who only watches hears the broker's numbers.
    std::uint64_t values = collector.collects ? collector.values.size() : end.values;
    std::uint64_t failures = collector.collects ? collector.failures.size() : end.failures;
    bool whole = end.total && values + failures == *end.total;
    if (end.total && *end.total != plan.count) complain(collector, "has a wrong total");
    auto wrong = [&] {
        complain(collector, std::string("wrongly ") + wire::to_string(end.outcome) +
                                (end.reason.empty() ? "" : ": " + end.reason));
    };
    bool limited = spec.tolerance && end.total && failures > tolerated(spec, *end.total);
    switch (end.outcome) {
        case Outcome::running: return wrong();
        case Outcome::complete:
            if (!collector.collects) return;
            if (spec.policy == GatherPolicy::all &&
                (!whole || (!spec.tolerance && failures > 0 && !scenario_.put_back) || limited))
                wrong();
            if (spec.policy == GatherPolicy::quorum && values < spec.quorum) wrong();
            if (spec.policy == GatherPolicy::first && values < 1) wrong();
            return;
        case Outcome::partial:
            if (!collector.collects || scenario_.put_back) return;  // its failures may be lost
            if (!whole || failures == 0 || spec.policy == GatherPolicy::quorum ||
                spec.policy == GatherPolicy::first)
                wrong();
            return;
        case Outcome::expired: {
            auto opened = records_[plan.id].opened;
            auto least = Duration(spec.deadline) * 99 / 100 - disturbances.clocks_jumped;
            if (spec.deadline.count() == 0 || !opened || collector.finished_at - *opened < least)
                wrong();
            if (spec.policy == GatherPolicy::available && scenario_.faults.empty()) wrong();
            return;
        }
        case Outcome::failed: return judge_failed(collector, values, failures, disturbances);
        case Outcome::cancelled: {
            bool client = disturbances.client_died.contains(plan.client) ||
                          disturbances.client_cut_off.contains(plan.client);
            bool sealed =
                records_[plan.id].sealed && !spec.attached;  // it belongs to nobody's connection
            if (!plan.cancel_at && (!client || sealed) && !scenario_.memory_lost) wrong();
            return;
        }
    }
}

void Checker::judge_failed(const Collector& collector, std::uint64_t, std::uint64_t failures,
                           const Disturbances& disturbances) {
    const wire::JobSpec& spec = collector.plan->spec;
    const wire::Concluded& end = *collector.concluded;
    if (scenario_.memory_lost || !collector.collects) return;
    // A percentage is of the total, which may become known later.
    // What was not delivered in time may have been the failures.
    for (const auto& item : end.missing)
        if (disturbances.any && item.reason == "not delivered")
            for (Range range : item.ranges) failures += range.size();
    if (disturbances.any && !end.total) return;
    bool too_many = spec.tolerance && failures > tolerated(spec, end.total.value_or(0));
    std::uint64_t wanted = spec.policy == GatherPolicy::quorum  ? spec.quorum
                           : spec.policy == GatherPolicy::first ? 1
                                                                : 0;
    bool out_of_reach = end.total && *end.total < failures + wanted;
    if (!too_many && !out_of_reach) complain(collector, "wrongly failed: " + end.reason);
}

void Checker::judge_agreement() {
    std::map<JobId, std::map<Outcome, std::string>> said;
    for (const auto& collector : collectors_) {
        auto& outcomes = said[collector->plan->id];
        if (collector->concluded) outcomes.emplace(collector->concluded->outcome, collector->who);
    }
    for (const auto& [job, outcomes] : said) {
        if (outcomes.size() < 2) continue;
        std::string text =
            "job #" + std::to_string(plan_of(job)->number) + " has several outcomes:";
        for (const auto& [outcome, who] : outcomes)
            text += std::string(" ") + wire::to_string(outcome) + " for " + who + ";";
        complain(text);
    }
}

/// Who kills its worker ran alone at least so often before it was given up, and not for ever.
void Checker::judge_kills(const Record& record, const Collector& collector) {
    constexpr std::uint32_t not_counted =
        5;  // lone runs of which its worker's death could not be blamed on it
    for (const auto& [index, kind] : collector.failures) {
        if (kind != FailureKind::crashed) continue;
        if (record.plan->fragment(index).behaviour != Behaviour::kills)
            complain(collector, "an innocent fragment ended as crashed");
        auto lone = record.lone_executions.contains(index) ? record.lone_executions.at(index) : 0;
        if (lone < limits::crash_limit || lone > limits::crash_limit + not_counted)
            complain(collector, "fragment " + std::to_string(index) + " ended as crashed after " +
                                    std::to_string(lone) + " lone runs");
    }
}

/// Without anything that looks like a dead worker, each attempt is one execution; the death of a
/// server that has a disk changes nothing about what a worker has begun. How often a fragment
/// failed a broker forgets.
void Checker::judge_executions(const Disturbances& disturbances) {
    if (disturbances.workers) return;
    for (const auto& [job, record] : records_)
        for (const auto& [index, times] : record.executions) {
            std::uint32_t most = 1;
            Behaviour behaviour = record.plan->fragment(index).behaviour;
            if (behaviour == Behaviour::flaky) most = 2;
            else if (behaviour != Behaviour::value) most = 1 + record.plan->spec.retries;
            if (record.plan->spec.hedging == wire::Hedging::automatic) ++most;
            if (disturbances.any && behaviour != Behaviour::value) continue;
            if (times > most)
                complain("job #" + std::to_string(record.plan->number) + ": fragment " +
                         std::to_string(index) + " ran " + std::to_string(times) +
                         " times, though nothing was disturbed");
        }
}

}  // namespace fanfold::simulation
