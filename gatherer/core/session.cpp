#include "gatherer/core/session.hpp"

namespace fanfold::gatherer {

namespace {

// A broker of another version may be replaced.
constexpr Duration refused_interval = std::chrono::seconds(30);

wire::Hello hello_of(const wire::GathererRef& self) {
    return {.role = wire::Role::gatherer, .name = self.name, .epoch = self.epoch, .gatherer = self};
}

}  // namespace

Session::Session(const wire::GathererRef& self) : session_(hello_of(self)) {}

void Session::on_time(Step& step) {
    const bool stood = welcomed();
    if (session_.state() == BrokerSession::State::unconnected)
        session_.opened(step.now, step.lived);
    BrokerSession::Due due = session_.due(step.now, step.lived);
    if (due.reconnect) {
        step.actions.push_back(Note{.level = stood ? Level::warn : Level::debug,
                                    .what = "the broker is silent, connecting again"});
        step.actions.push_back(Reconnect{});
        session_.opened(step.now, step.lived);
        due = session_.due(step.now, step.lived);
    }
    if (due.hello) step.actions.push_back(SendBroker{.message = session_.hello()});
    if (due.heartbeat) step.actions.push_back(SendBroker{.message = wire::Heartbeat{}});
}

Greeting Session::on_welcome(Step& step, const wire::Welcome& welcome) {
    const Greeting greeting = session_.welcomed(step.now, welcome);
    if (greeting == Greeting::doubted) on_time(step);
    if (greeting == Greeting::resumed || greeting == Greeting::other_life)
        step.actions.push_back(Note{.level = Level::info, .what = "welcomed by the broker"});
    return greeting;
}

void Session::on_refused(Step& step, const wire::Refused& refused) {
    auto meaning = BrokerSession::Refusal::other;
    if (!refused.job) meaning = session_.refused(step.now, step.lived, refused);
    const bool version = meaning == BrokerSession::Refusal::version;
    step.actions.push_back(Note{.level = version ? Level::error : Level::warn,
                                .what = "refused by the broker",
                                .job = refused.job,
                                .detail = refused.text});
    if (version) session_.rest(step.now, refused_interval);
    if (meaning == BrokerSession::Refusal::unknown_session) on_time(step);
}

Time Session::next(Time now, LivedTime lived) const {
    return session_.state() == BrokerSession::State::unconnected ? now : session_.next(now, lived);
}

}  // namespace fanfold::gatherer
