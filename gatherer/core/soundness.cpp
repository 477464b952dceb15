#include "gatherer/core/soundness.hpp"

#include <limits>

namespace fanfold::gatherer {

namespace {

/// For a log line; nothing when a peer's figure makes no sense.
Duration taken(wire::Microseconds elapsed) {
    bool sensible = elapsed.count() >= 0 && elapsed < std::chrono::hours{24 * 365};
    return sensible ? Duration{elapsed} : Duration{-1};
}

}  // namespace

std::string flaw(const wire::Results& results, std::optional<std::uint64_t> total) {
    if (results.count == 0) return "a run of no fragments";
    if (results.count > std::numeric_limits<Index>::max() - results.first)
        return "fragment " + std::to_string(results.first) + " and " +
               std::to_string(results.count - 1) + " more overflow the index";
    Index end = results.first + results.count;
    if (total && end > *total)
        return "fragment " + std::to_string(end - 1) + " of a job that has " +
               std::to_string(*total) + " fragments";
    return {};
}

bool are_sound(const std::vector<wire::Failure>& failures, Index end, std::uint64_t outputs) {
    for (const auto& failure : failures) {
        if (failure.output_bytes > outputs || failure.index >= end) return false;
        outputs -= failure.output_bytes;
    }
    return outputs == 0;
}

Note about(const wire::Results& results, Level level, const char* what) {
    return {.level = level,
            .what = what,
            .job = results.job,
            .range = {results.first, results.first + results.count},
            .peer = results.meta.worker,
            .attempt = results.meta.attempt,
            .took = taken(results.meta.elapsed)};
}

Note about(const JobId& job, const wire::Failure& failure, const char* what) {
    return {.level = Level::debug,
            .what = what,
            .job = job,
            .range = {failure.index, failure.index + 1},
            .peer = failure.worker,
            .attempt = failure.attempt,
            .took = taken(failure.elapsed),
            .detail = failure.message};
}

Admission::Offence senseless(const wire::Results& results, const Sender& sender,
                             const std::string& why) {
    return {.sender = sender,
            .what = "results that make no sense dropped",
            .why = results.meta.worker + ": " + why};
}

}  // namespace fanfold::gatherer
