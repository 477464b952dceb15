#include "broker/core/intake_limits.hpp"

#include <algorithm>
#include <utility>

#include "broker/base/limits.hpp"
#include "broker/dispatch/scheduler.hpp"
#include "broker/state/text_bytes.hpp"

namespace fanfold::broker {

namespace {
std::string why_too_much(std::size_t labels, std::size_t bytes) {
    if (labels > limits::labels)
        return std::to_string(labels) + " labels or resources are named, " +
               std::to_string(limits::labels) + " is the most; leave some out";
    if (bytes > limits::names_bytes)
        return "names and texts take " + std::to_string(bytes) + " bytes, " +
               std::to_string(limits::names_bytes) +
               " is the most; shorten them, or leave some out";
    return {};
}
}  // namespace

std::string why_too_much(const wire::Hello& hello) {
    return why_too_much(std::max(hello.labels.size(), hello.resources.size()), text_bytes(hello));
}

std::string why_too_much(const wire::JobSpec& spec) {
    return why_too_much(std::max(spec.require.size(), spec.resources.size()), text_bytes(spec));
}

std::string why_senseless(const wire::JobSpec& spec) {
    if (!sound_weight(spec.share.weight)) return unsound_weight(spec.share.weight);
    const std::pair<const char*, wire::Milliseconds> durations[] = {
        {"deadline", spec.deadline},
        {"timeout", spec.timeout},
        {"lease", spec.lease},
        {"hedge_after", spec.hedge_after},
        {"rerun_after", spec.rerun_after}};
    for (const auto& [name, duration] : durations)
        if (duration.count() < 0)
            return std::string("the ") + name + " of " + std::to_string(duration.count()) +
                   " ms is below 0; 0 is for none";
    const double percent = spec.max_failures_percent;
    if (!(percent >= 0 && percent <= 100))
        return "max_failures_percent is " + std::to_string(percent) +
               ", which is no number from 0 to 100";
    if (spec.attached && !spec.key.empty())
        return "a job with a key outlives its client, so it can't be attached; leave one of them "
               "out";
    return {};
}

}  // namespace fanfold::broker
