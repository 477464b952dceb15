#include "shared/wire/messages.hpp"

#include <iterator>
#include <type_traits>

namespace fanfold::wire {

const char* name_of(const Message& message) {
    // clang-format off
    static constexpr const char* names[] = {
        "Hello", "Welcome", "Refused", "Heartbeat", "Bye", "Mark", "Marked", "Block", "Seal",
        "Accepted", "Sealed", "Cancel", "Watch", "Located", "Notice", "Ended", "Query", "Report",
        "Find", "Found", "Retry", "Retried", "Adjust", "Adjusted", "CancelFragments",
        "FragmentsCancelled", "Dispatch", "Done", "Release", "Drop", "SendAgain", "Recall",
        "Examine", "Results", "Relay", "Assign", "Errors", "Gathered", "Propose", "Forget",
        "Forgotten", "AllowedKeys", "Holds", "Describe", "Described", "Drain", "Drained",
        "HandOver", "HandedRow", "RowTaken", "Collect", "Values", "Failures", "Acknowledge",
        "Concluded"};
    // clang-format on
    static_assert(std::size(names) == std::variant_size_v<Message>);
    return names[message.index()];
}

std::optional<JobId> job_of(const Message& message) {
    return std::visit(
        [](const auto& known) -> std::optional<JobId> {
            if constexpr (requires { known.job; }) return known.job;
            else if constexpr (requires { known.results.job; }) return known.results.job;
            else if constexpr (requires { known.assign.job; }) return known.assign.job;
            else return std::nullopt;
        },
        message);
}

}  // namespace fanfold::wire
