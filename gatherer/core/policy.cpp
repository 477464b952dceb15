#include "gatherer/core/policy.hpp"

#include <algorithm>
#include <limits>

#include "shared/wire/tolerance.hpp"

namespace fanfold::gatherer {

using wire::GatherPolicy;
using wire::JobSpec;
using wire::Outcome;

namespace {

constexpr auto no_limit = std::numeric_limits<std::uint64_t>::max();

std::string fragments(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " fragment" : " fragments");
}

std::optional<Verdict> judge_quorum(const JobSpec& spec, const Counts& counts) {
    std::uint64_t wanted = values_wanted(spec);
    if (wanted == no_limit) return std::nullopt;
    if (counts.values >= wanted) return Verdict{.outcome = Outcome::complete, .reason = {}};
    if (!counts.total || *counts.total - counts.failures >= wanted) return std::nullopt;
    return Verdict{.outcome = Outcome::failed,
                   .reason = "the quorum is " + std::to_string(wanted) + ", only " +
                             std::to_string(*counts.total - counts.failures) + " of " +
                             fragments(*counts.total) + " can still have a value"};
}

std::optional<Verdict> judge_tolerance(const JobSpec& spec, const Counts& counts) {
    auto limit = wire::tolerated(spec, counts.total);
    if (!limit || counts.failures <= *limit) return std::nullopt;
    return Verdict{.outcome = Outcome::failed,
                   .reason = fragments(counts.failures) + " failed, " + std::to_string(*limit) +
                             (*limit == 1 ? " is" : " are") + " tolerated"};
}

std::optional<Verdict> judge_all_ended(const JobSpec& spec, const Counts& counts) {
    if (!counts.total || counts.values + counts.failures != *counts.total) return std::nullopt;
    if (counts.failures == 0 || spec.tolerance)
        return Verdict{.outcome = Outcome::complete, .reason = {}};
    return Verdict{.outcome = Outcome::partial, .reason = fragments(counts.failures) + " failed"};
}

std::optional<Verdict> judge_deadline(const JobSpec& spec, const Counts& counts) {
    if (!counts.deadline_reached) return std::nullopt;
    if (spec.policy == GatherPolicy::available)
        return Verdict{.outcome = Outcome::complete, .reason = {}};
    std::string of = counts.total
                         ? std::to_string(counts.values) + " of " + fragments(*counts.total)
                         : std::to_string(counts.values) + " fragments of a job not sealed yet";
    return Verdict{.outcome = Outcome::expired, .reason = "the deadline came with values of " + of};
}

}  // namespace

std::optional<Duration> deadline_of(const JobSpec& spec) {
    constexpr wire::Milliseconds longest = std::chrono::hours{24 * 365 * 50};
    if (spec.deadline.count() <= 0 || spec.deadline >= longest) return std::nullopt;
    return spec.deadline;
}

std::uint64_t values_wanted(const JobSpec& spec) {
    switch (spec.policy) {
        case GatherPolicy::quorum: return std::max<std::uint64_t>(spec.quorum, 1);
        case GatherPolicy::first: return 1;
        case GatherPolicy::all:
        case GatherPolicy::available: return no_limit;
    }
    return no_limit;
}

std::optional<Verdict> judge(const JobSpec& spec, const Counts& counts) {
    if (auto verdict = judge_quorum(spec, counts)) return verdict;
    if (auto verdict = judge_tolerance(spec, counts)) return verdict;
    if (auto verdict = judge_all_ended(spec, counts)) return verdict;
    return judge_deadline(spec, counts);
}

}  // namespace fanfold::gatherer
