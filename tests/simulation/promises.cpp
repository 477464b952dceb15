#include "tests/simulation/promises.hpp"

#include <algorithm>
#include <utility>

namespace fanfold::simulation {

using wire::Outcome;

std::string Promises::say(const wire::Message& message) {
    return std::visit(
        [this](const auto& known) -> std::string {
            if constexpr (requires { this->hold_to(known); }) return hold_to(known);
            else return {};
        },
        message);
}

std::string Promises::hold_to(const wire::Accepted& message) {
    auto& accepted = said_[message.job].accepted;
    const Index before = std::exchange(accepted, std::max(accepted, message.next));
    if (message.next >= before) return {};
    return "accepted up to " + std::to_string(before) + ", and later only up to " +
           std::to_string(message.next);
}

std::string Promises::hold_to(const wire::Sealed& message) {
    auto& total = said_[message.job].total;
    const bool same = total.value_or(message.total) == message.total;
    total = message.total;
    return same ? "" : "sealed with several totals";
}

std::string Promises::hold_to(const wire::Ended& message) {
    auto& ended = said_[message.job].ended;
    const Outcome before = ended.value_or(message.outcome);
    // Every value was in hand before the cancel.
    const bool won = before == Outcome::cancelled && message.outcome == Outcome::complete;
    ended = message.outcome;
    if (before == message.outcome || won || message.lost) return {};
    return std::string("its broker said ") + wire::to_string(before) + ", and later " +
           wire::to_string(message.outcome);
}

std::string Promises::hold_to(const wire::Concluded& message) {
    if (message.outcome == Outcome::running) return {};
    const auto before = std::exchange(said_[message.job].concluded, message);
    if (!before || (before->outcome == message.outcome && before->values == message.values &&
                    before->failures == message.failures))
        return {};
    auto told = [](const wire::Concluded& end) {
        return std::string(wire::to_string(end.outcome)) + " with " + std::to_string(end.values) +
               " values and " + std::to_string(end.failures) + " failures";
    };
    return "its gatherer said " + told(*before) + ", and later " + told(message);
}

}  // namespace fanfold::simulation
