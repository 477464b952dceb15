#include "gatherer/core/session.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace fanfold::gatherer {

namespace {

using namespace std::chrono_literals;

constexpr Duration hello_interval = 1s;
constexpr Duration refused_interval = 30s;  // a broker of another version may be replaced

}  // namespace

void Session::say_hello(Step& step) {
    wire::Hello hello;
    hello.role = wire::Role::gatherer;
    hello.name = self_.name;
    hello.epoch = self_.epoch;
    hello.gatherer = self_;
    step.actions.push_back(SendBroker{.message = hello});
    next_send_ = step.now + hello_interval;
    heard_ = refused_ ? step.lived : heard_;
    refused_ = false;
}

void Session::on_time(Step& step) {
    if (!started_) {
        started_ = true;
        heard_ = step.lived;
        say_hello(step);
        return;
    }
    if (!refused_ && step.lived - heard_ >= timeout_) {
        step.actions.push_back(Note{.level = welcomed_ ? Level::warn : Level::debug,
                                    .what = "the broker is silent, connecting again",
                                    .took = step.lived - heard_});
        step.actions.push_back(Reconnect{});
        welcomed_ = false;
        heard_ = step.lived;
        say_hello(step);
        return;
    }
    if (step.now < next_send_) return;
    if (!welcomed_) {
        say_hello(step);
        return;
    }
    step.actions.push_back(SendBroker{.message = wire::Heartbeat{}});
    next_send_ = step.now + heartbeat_;
}

Greeting Session::on_welcome(Step& step, const wire::Welcome& welcome) {
    // One of an earlier life may be late on its way. A broker that really went back says it again.
    bool earlier = broker_ && welcome.epoch.number > 0 && welcome.epoch.number < broker_->number;
    if (earlier && std::exchange(doubted_, welcome.epoch) != welcome.epoch) {
        say_hello(step);
        return Greeting::again;
    }
    doubted_.reset();
    constexpr wire::Milliseconds most = 1h;
    if (welcome.heartbeat.count() > 0) heartbeat_ = std::min(welcome.heartbeat, most);
    if (welcome.timeout.count() > 0)
        timeout_ = std::max<Duration>(std::min(welcome.timeout, most), 3 * heartbeat_);
    bool again = welcomed_ && broker_ == welcome.epoch;
    bool other_life = broker_ && lost_memory(*broker_, welcome.epoch);
    if (!again) {
        next_send_ = step.now + heartbeat_;
        step.actions.push_back(Note{.level = Level::info, .what = "welcomed by the broker"});
    }
    welcomed_ = true;
    broker_ = welcome.epoch;
    if (again) return Greeting::again;
    return other_life ? Greeting::other_life : Greeting::resumed;
}

void Session::on_refused(Step& step, const wire::Refused& refused) {
    bool version = refused.code == wire::RefusalCode::version;
    step.actions.push_back(Note{.level = version ? Level::error : Level::warn,
                                .what = "refused by the broker",
                                .job = refused.job,
                                .detail = refused.text});
    if (version) {
        welcomed_ = false;
        refused_ = true;
        next_send_ = step.now + refused_interval;
        return;
    }
    if (refused.code != wire::RefusalCode::malformed || refused.job || !welcomed_) return;
    // It does not know this connection. Only a session that stood says Hello at once: two that
    // disagree must not spin.
    welcomed_ = false;
    say_hello(step);
}

Time Session::next(Time now, LivedTime lived) const {
    if (!started_) return now;
    return refused_ ? next_send_ : std::min(next_send_, now + (timeout_ - (lived - heard_)));
}

}  // namespace fanfold::gatherer
