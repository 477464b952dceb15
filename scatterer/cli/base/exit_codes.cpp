#include "scatterer/cli/base/exit_codes.hpp"

#include <algorithm>

#include "scatterer/cli/base/limits.hpp"
#include "shared/base/range_set.hpp"

namespace fanfold::scatterer::cli {

std::uint64_t without_value(const JobEnd& end) {
    if (end.total > 0) return end.total - std::min(end.values, end.total);
    std::uint64_t listed = 0;
    for (const MissingFragments& missing : end.missing)
        for (auto [begin, after] : missing.ranges) listed += after - begin;
    return std::max(listed, end.failures);
}

std::uint64_t without_value(const JobStatus& status) {
    std::uint64_t total =
        status.total.value_or(std::max(status.accepted, status.values + status.failed));
    return total - std::min(status.values, total);
}

int exit_code(JobOutcome outcome, std::uint64_t missing) {
    switch (outcome) {
        case JobOutcome::running:
        case JobOutcome::complete: return exit_good;
        case JobOutcome::partial:
        case JobOutcome::expired:
        case JobOutcome::failed:
        case JobOutcome::cancelled: break;
    }
    if (missing == 0) return exit_error;
    return missing > limits::counted_failures ? exit_many : static_cast<int>(missing);
}

int joined_codes(int one, int other) {
    if (one > exit_many || other > exit_many) return std::max(one, other);
    return std::min(one + other, exit_many);
}

std::string describe(const std::string& id, const JobEnd& end) {
    std::string line = "job " + id + ' ' + to_string(end.outcome);
    if (!end.reason.empty()) line += ": " + end.reason;
    std::uint64_t missing = without_value(end);
    if (missing == 0) return line;
    line += ": " + std::to_string(missing);
    if (end.total > 0) line += " of " + std::to_string(end.total);
    line += " missing";
    const char* separator = ": ";
    for (const MissingFragments& part : end.missing) {
        std::vector<Range> ranges;
        // People count from 1.
        for (auto [begin, after] : part.ranges) ranges.push_back({begin + 1, after + 1});
        line += separator + part.reason + ": " + to_string(ranges);
        separator = "; ";
    }
    return line;
}

}  // namespace fanfold::scatterer::cli
