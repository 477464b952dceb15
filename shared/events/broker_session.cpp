#include "shared/events/broker_session.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/result.hpp"
#include "shared/events/idling.hpp"
#include "shared/wire/fields.hpp"

namespace fanfold {

using namespace std::chrono_literals;

namespace {
// What a broker may ask for: a heartbeat of no time at all would leave no time for work.
constexpr Duration shortest_heartbeat = 10ms;
constexpr Duration longest_timeout = 1h;
}  // namespace

BrokerSession::BrokerSession(wire::Hello hello) : hello_(std::move(hello)) {
    if (std::string why = wire::fields::why_refused(hello_); !why.empty())
        throw StartupError(std::string("no broker would take this ") +
                           wire::to_string(hello_.role) + ": its " + why);
}

void BrokerSession::opened(Time now, LivedTime lived) {
    if (state_ == State::ended) return;
    state_ = State::greeting;
    asks_ = resting_ = idle_ = false;
    heard_ = lived;
    at_ = now;
}

BrokerSession::Greeting BrokerSession::welcomed(Time now, const wire::Welcome& welcome) {
    // A broker that really went back to an earlier life says so again.
    bool earlier = broker_ && welcome.epoch.number > 0 && welcome.epoch.number < broker_->number;
    if (earlier && std::exchange(doubted_, welcome.epoch) != welcome.epoch) {
        asks_ = true;
        at_ = now;
        return Greeting::doubted;
    }
    doubted_.reset();
    broker_minor_ = welcome.minor;
    if (welcome.heartbeat.count() > 0)
        heartbeat_ = std::clamp<Duration>(welcome.heartbeat, shortest_heartbeat, longest_timeout);
    if (welcome.timeout.count() > 0)
        timeout_ = std::max(std::min<Duration>(welcome.timeout, longest_timeout), 3 * heartbeat_);
    if (standing() && broker_ == welcome.epoch) return Greeting::again;
    bool other_life = broker_ && lost_memory(*broker_, welcome.epoch);
    state_ = State::standing;
    asks_ = resting_ = idle_ = false;
    broker_ = welcome.epoch;
    at_ = now + heartbeat_;
    return other_life ? Greeting::other_life : Greeting::resumed;
}

BrokerSession::Refusal BrokerSession::refused(Time now, LivedTime lived,
                                              const wire::Refused& refused) {
    switch (refused.code) {
        case wire::RefusalCode::unknown_session:
            // While it greets, the Hello that the broker asks for is on its way: two that disagree
            // must not spin.
            if (standing()) opened(now, lived);
            return Refusal::unknown_session;
        case wire::RefusalCode::version: return Refusal::version;
        case wire::RefusalCode::not_allowed:
        case wire::RefusalCode::conflict: return Refusal::peer;
        case wire::RefusalCode::malformed:
        case wire::RefusalCode::unknown_job:
        case wire::RefusalCode::too_large:
        case wire::RefusalCode::no_gatherer:
        case wire::RefusalCode::no_function:
        case wire::RefusalCode::overloaded: return Refusal::other;
    }
    return Refusal::other;
}

BrokerSession::Due BrokerSession::due(Time now, LivedTime lived) {
    if (state_ == State::ended || next(now, lived) > now) return {};
    if (!waits() && lived - heard_ >= timeout_) {
        state_ = State::unconnected;
        at_ = Time::max();
        return {.reconnect = true, .silent = lived - std::exchange(heard_, lived)};
    }
    if (standing() && !asks_) {
        beaten(now, false);
        return {.heartbeat = true};
    }
    if (resting_) heard_ = lived;
    asks_ = resting_ = false;
    at_ = now + (standing() ? heartbeat_ : hello_again);
    return {.hello = true};
}

void BrokerSession::beaten(Time now, bool idle) {
    idle_ = idle;
    beaten_ = now;
    at_ =
        now + (idle ? idle_beats(heartbeat_, timeout_) * heartbeat_ + heartbeat_ / 4 : heartbeat_);
}

void BrokerSession::busy(Time now) {
    if (standing() && std::exchange(idle_, false)) at_ = std::min(at_, now + heartbeat_);
}

bool BrokerSession::wants_answer(Time now) const {
    return standing() && idle_ && now - beaten_ >= heartbeat_ / 2;
}

void BrokerSession::rest(Time now, Duration time) {
    state_ = State::greeting;
    resting_ = true;
    at_ = now + time;
}

Time BrokerSession::next(Time now, LivedTime lived) const {
    if (state_ == State::ended) return Time::max();
    Time silent = now + std::max(Duration(0), timeout_ - (lived - heard_));
    return waits() ? at_ : std::min(at_, silent);
}

}  // namespace fanfold
