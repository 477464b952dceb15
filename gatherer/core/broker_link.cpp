#include "gatherer/core/broker_link.hpp"

#include <utility>

namespace fanfold::gatherer {

Greeting BrokerLink::on_welcome(Step& step, const wire::Welcome& welcome) {
    auto known = session_.broker();
    Greeting greeting = session_.on_welcome(step, welcome);
    epoch_changed_ = epoch_changed_ || known != session_.broker();
    return greeting;
}

void BrokerLink::keep_epoch(Step& step) {
    if (std::exchange(epoch_changed_, false)) persistence_.put_broker(step, *session_.broker());
}

void BrokerLink::send(Step& step, wire::Message message) {
    if (can_send()) step.actions.push_back(SendBroker{.message = std::move(message)});
}

}  // namespace fanfold::gatherer
