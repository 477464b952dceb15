// The gatherer's session with its broker (shared/events/broker_session.hpp), and what it says and
// notes of it. Owned by the core, on its thread.
#pragma once

#include <optional>

#include "gatherer/core/events.hpp"
#include "shared/events/broker_session.hpp"

namespace fanfold::gatherer {

using Greeting = BrokerSession::Greeting;

class Session {
public:
    explicit Session(const wire::GathererRef& self);

    /// Says Hello, beats, or gives the connection up, as time asks for.
    void on_time(Step& step);
    Greeting on_welcome(Step& step, const wire::Welcome& welcome);
    void on_refused(Step& step, const wire::Refused& refused);
    /// Anything at all from the broker.
    void on_message(const Step& step) { session_.heard(step.lived); }

    bool welcomed() const { return session_.standing(); }
    /// The life of the broker that was known before this life of ours.
    void restore(const Epoch& broker) { session_.restore(broker); }
    const std::optional<Epoch>& broker() const { return session_.broker(); }
    /// When it next wants to act; `now` and `lived` are those of the last step.
    Time next(Time now, LivedTime lived) const;

private:
    BrokerSession session_;
};

}  // namespace fanfold::gatherer
