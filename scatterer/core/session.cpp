#include "scatterer/core/session.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/duration.hpp"

namespace fanfold::scatterer {

Session::Session(Options options)
    : options_(std::move(options)),
      session_(wire::Hello{.role = wire::Role::client,
                           .name = options_.name,
                           .epoch = options_.epoch,
                           .gatherer = {}}) {}

Time Session::next_wakeup(Time now, LivedTime lived) const {
    Time next = session_.next(now, lived);
    // Lived time is never ahead of the clock.
    if (waiting_since_)
        next = std::min(next, now + (std::min(*waiting_since_ + patience(), next_word_) - lived));
    return next;
}

void Session::on_opened(Step& step, const PeerId& self) {
    self_ = self;
    if (!waiting_since_ && !connected()) begin_wait(step.lived, limits::first_word_of_wait);
    session_.opened(step.now, step.lived);
}

BrokerSession::Greeting Session::on_welcome(Step& step, const wire::Welcome& welcome) {
    using Greeting = BrokerSession::Greeting;
    if (session_.state() == BrokerSession::State::ended) return Greeting::doubted;
    const bool known = session_.broker().has_value();
    const Greeting greeting = session_.welcomed(step.now, welcome);
    if (greeting == Greeting::doubted || greeting == Greeting::again) return greeting;
    if (known && accepts_calls())
        step.act(Note{.level = Level::info, .what = "the broker is back", .peer = options_.broker});
    end_wait();
    failure_.clear();
    welcome_ = welcome;
    return greeting;
}

std::optional<Session::Failure> Session::on_refused(Step& step, const wire::Refused& refused) {
    if (session_.state() == BrokerSession::State::ended) return std::nullopt;
    const bool stood = connected();
    switch (session_.refused(step.now, step.lived, refused)) {
        case BrokerSession::Refusal::unknown_session:
            if (stood) begin_wait(step.lived, limits::first_word_of_wait);
            return std::nullopt;
        case BrokerSession::Refusal::version:
        case BrokerSession::Refusal::peer: break;
        case BrokerSession::Refusal::other:
            if (!stood) break;  // it refused the hello
            step.act(Note{
                .level = Level::warn, .what = "refused by the broker", .detail = refused.text});
            return std::nullopt;
    }
    session_.end();
    return fail(step, refused.text);
}

std::optional<Session::Failure> Session::check_patience(Step& step) {
    if (!waiting_since_ || step.lived - *waiting_since_ < patience()) return std::nullopt;
    return fail(step, absence());
}

Session::Kept Session::keep(Step& step) {
    const bool stood = connected();
    const BrokerSession::Due due = session_.due(step.now, step.lived);
    Kept kept{.notice = {}, .reconnect = due.reconnect};
    if (due.reconnect && stood) {
        step.act(Note{.level = Level::warn,
                      .what = "the broker is silent, reconnecting",
                      .peer = options_.broker});
        begin_wait(step.lived, {});
    }
    if (waiting_since_ && step.lived >= next_word_) {
        kept.notice = word_of_wait(step.lived);
        next_word_ = step.lived + limits::next_word_of_wait;
        told_of_wait_ = true;
    }
    if (due.hello) step.send(session_.hello());
    kept.heartbeat = due.heartbeat;
    return kept;
}

void Session::leave(Step& step) {
    if (connected()) step.send(wire::Bye{.reason = "the client has ended"});
    session_.end();
    end_wait();
}

void Session::begin_wait(LivedTime lived, Duration first_word) {
    waiting_since_ = lived;
    next_word_ = lived + first_word;
}

void Session::end_wait() {
    waiting_since_.reset();
    told_of_wait_ = false;
}

std::string Session::word_of_wait(LivedTime lived) const {
    const std::string until = "; it is given up after " + to_string(patience());
    if (!session_.broker()) return "no broker answers at " + options_.broker + " yet" + until;
    const std::string who = "the broker at " + options_.broker + " is silent";
    if (!told_of_wait_) return who + ", reconnecting" + until;
    const auto waited = std::chrono::floor<std::chrono::seconds>(lived - *waiting_since_);
    return who + ", for " + to_string(Duration(waited)) + " by now" + until;
}

std::string Session::absence() const {
    std::string patience = to_string(this->patience());
    if (!session_.broker())
        return "no broker answers at " + options_.broker + "; is it running? (waited " + patience +
               ")";
    return "the broker at " + options_.broker +
           " is gone: it fell silent and did not come back in " + patience;
}

Session::Failure Session::fail(Step& step, const std::string& text) {
    failure_ = text;
    end_wait();
    step.act(Note{.level = Level::error,
                  .what = "no connection to the broker",
                  .peer = options_.broker,
                  .detail = text});
    return {text};
}

void Session::check_invariants() const {
    FANFOLD_CHECK(!connected() || (welcome_.has_value() && failure_.empty()));
}

}  // namespace fanfold::scatterer
