#include "gatherer/core/soundness.hpp"

#include <limits>

namespace fanfold::gatherer {

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

}  // namespace fanfold::gatherer
