// The gatherer's session with its broker (shared/events/broker_session.hpp), what it says and notes
// of it, and whether anything may be said by it now. Owned by the gatherer's core, on its thread.
#pragma once

#include "gatherer/core/persistence.hpp"
#include "shared/events/broker_session.hpp"

namespace fanfold::gatherer {

using Greeting = BrokerSession::Greeting;

class BrokerLink {
public:
    BrokerLink(const wire::GathererRef& self, Persistence& persistence);

    /// The life of the broker that was known before this life of ours.
    void restore(const Epoch& broker) { session_.restore(broker); }

    /// Says Hello, beats, or gives the connection up, as time asks for.
    void on_time(Step& step);
    /// Anything at all from the broker.
    void on_message(const Step& step) { session_.heard(step.lived); }
    void on_refused(Step& step, const wire::Refused& refused);
    /// The store's trouble has begun, changed or ended: the broker tells the clients.
    void on_store_changed(Step& step);
    /// What the Welcome means for the jobs. Its epoch is kept by keep_epoch(), which comes after
    /// the jobs' own rows: a cut in between must not hide that the broker lost its memory.
    Greeting on_welcome(Step& step, const wire::Welcome& welcome);
    void keep_epoch(Step& step);

    bool knows_holds() const { return session_.knows_holds(); }
    /// Whether the broker can be told anything. Otherwise all of it is sent again when it can.
    bool can_send() const { return session_.standing() && !persistence_.troubled(); }
    /// Drops the message unless can_send().
    void send(Step& step, wire::Message message, Slice body = {});
    /// The gatherer is to be emptied of its jobs, or no longer: its heartbeats say so.
    void on_drain(Step& step, bool off);

    /// When it next wants to act; `now` and `lived` are those of the last step.
    Time next(Time now, LivedTime lived) const { return session_.next(now, lived); }

private:
    void beat(Step& step);

    BrokerSession session_;
    Persistence& persistence_;
    bool epoch_changed_ = false;
    bool leaving_ = false;
};

}  // namespace fanfold::gatherer
