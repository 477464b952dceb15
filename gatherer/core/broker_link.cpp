#include "gatherer/core/broker_link.hpp"

#include <utility>

namespace fanfold::gatherer {

namespace {

// A broker of another version may be replaced, and who has our name may end.
constexpr Duration refused_interval = std::chrono::seconds(30);

}  // namespace

BrokerLink::BrokerLink(const wire::GathererRef& self, Persistence& persistence)
    : session_(
          {.role = wire::Role::gatherer, .name = self.name, .epoch = self.epoch, .gatherer = self}),
      persistence_(persistence) {
    session_.opened({}, {});  // the shell has connected
}

void BrokerLink::on_time(Step& step) {
    const bool stood = session_.standing();
    BrokerSession::Due due = session_.due(step.now, step.lived);
    if (due.reconnect) {
        step.actions.push_back(Note{.level = stood ? Level::warn : Level::debug,
                                    .what = "the broker is silent, connecting again",
                                    .took = due.silent});
        step.actions.push_back(Reconnect{});
        session_.opened(step.now, step.lived);
        due = session_.due(step.now, step.lived);
    }
    if (due.hello) step.actions.push_back(SendBroker{.message = session_.hello()});
    if (due.heartbeat) beat(step);
}

/// The trouble of the store is in each: what is told seldom could be lost.
void BrokerLink::beat(Step& step) {
    step.actions.push_back(SendBroker{
        .message = wire::Heartbeat{.leaving = leaving_, .trouble = persistence_.trouble()}});
}

void BrokerLink::on_store_changed(Step& step) {
    if (session_.standing()) beat(step);
}

Greeting BrokerLink::on_welcome(Step& step, const wire::Welcome& welcome) {
    auto known = session_.broker();
    const Greeting greeting = session_.welcomed(step.now, welcome);
    epoch_changed_ = epoch_changed_ || known != session_.broker();
    if (greeting == Greeting::doubted) on_time(step);
    if (greeting == Greeting::resumed || greeting == Greeting::other_life)
        step.actions.push_back(Note{.level = Level::info, .what = "welcomed by the broker"});
    return greeting;
}

void BrokerLink::keep_epoch(Step& step) {
    if (std::exchange(epoch_changed_, false)) persistence_.put_broker(step, *session_.broker());
}

void BrokerLink::on_refused(Step& step, const wire::Refused& refused) {
    auto meaning = BrokerSession::Refusal::other;
    if (!refused.job) meaning = session_.refused(step.now, step.lived, refused);
    const bool for_long =
        meaning == BrokerSession::Refusal::version || refused.code == wire::RefusalCode::conflict;
    const bool forgotten = meaning == BrokerSession::Refusal::unknown_session;
    step.actions.push_back(Note{.level = forgotten  ? Level::debug
                                         : for_long ? Level::error
                                                    : Level::warn,
                                .what = "refused by the broker",
                                .job = refused.job,
                                .detail = refused.text});
    if (for_long && !refused.job) session_.rest(step.now, refused_interval);
    if (meaning == BrokerSession::Refusal::unknown_session) on_time(step);
}

void BrokerLink::send(Step& step, wire::Message message, Slice body) {
    if (can_send())
        step.actions.push_back(SendBroker{.message = std::move(message), .body = std::move(body)});
}

void BrokerLink::on_drain(Step& step, bool off) {
    if (std::exchange(leaving_, !off) == leaving_) return;
    step.actions.push_back(Note{.what = off ? "it takes new jobs again"
                                            : "it takes no new jobs, and its own go to others"});
    if (session_.standing()) beat(step);
}

}  // namespace fanfold::gatherer
