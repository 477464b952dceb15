#include "broker/state/step.hpp"

#include "shared/base/overloaded.hpp"

namespace fanfold::broker {

bool promises_nothing(const wire::Message& message) {
    return std::visit(
        []<class T>(const T&) {
            return OneOf<T, wire::Dispatch, wire::Heartbeat, wire::Welcome, wire::Refused,
                         wire::Notice, wire::Report, wire::AllowedKeys, wire::HandedRow,
                         wire::RowTaken>;
        },
        message);
}

}  // namespace fanfold::broker
