#include "broker/state/step.hpp"

namespace fanfold::broker {

bool promises_nothing(const wire::Message& message) {
    return std::holds_alternative<wire::Dispatch>(message) ||
           std::holds_alternative<wire::Heartbeat>(message) ||
           std::holds_alternative<wire::Welcome>(message) ||
           std::holds_alternative<wire::Refused>(message) ||
           std::holds_alternative<wire::Notice>(message) ||
           std::holds_alternative<wire::Report>(message) ||
           std::holds_alternative<wire::AllowedKeys>(message);
}

}  // namespace fanfold::broker
