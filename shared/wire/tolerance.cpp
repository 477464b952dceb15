#include "shared/wire/tolerance.hpp"

#include <algorithm>
#include <cmath>

#include "shared/base/limits.hpp"

namespace fanfold::wire {

namespace {
constexpr std::uint64_t most_strict_failures = 100;  // tolerated by a job that pauses at each
}

std::optional<std::uint64_t> tolerated(const JobSpec& spec, std::optional<std::uint64_t> total) {
    if (!spec.tolerance) return std::nullopt;
    if (!(spec.max_failures_percent > 0)) return spec.max_failures;
    if (!total) return std::nullopt;
    const double share = std::min(spec.max_failures_percent, 100.0) / 100;
    // A hair more, so that 29 % of 100 is 29 whatever the rounding.
    const double count = std::floor(static_cast<double>(*total) * share + 1e-9);
    return count < static_cast<double>(*total) ? static_cast<std::uint64_t>(count) : *total;
}

bool pauses_at_failure(const JobSpec& spec, std::uint32_t attempt) {
    return spec.tolerance && !(spec.max_failures_percent > 0) &&
           spec.max_failures <= most_strict_failures && attempt > spec.retries;
}

}  // namespace fanfold::wire
