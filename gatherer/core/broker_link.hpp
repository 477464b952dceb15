// The gatherer's side of its session with the broker, and whether anything may be said by it now.
// Owned by the gatherer's core, on its thread.
#pragma once

#include "gatherer/core/persistence.hpp"
#include "gatherer/core/session.hpp"

namespace fanfold::gatherer {

class BrokerLink {
public:
    BrokerLink(const wire::GathererRef& self, Persistence& persistence)
        : session_(self), persistence_(persistence) {}

    void restore(const Epoch& broker) { session_.restore(broker); }

    void on_time(Step& step) { session_.on_time(step); }
    void on_message(const Step& step) { session_.on_message(step); }
    void on_refused(Step& step, const wire::Refused& refused) {
        session_.on_refused(step, refused);
    }
    /// What the Welcome means for the jobs. Its epoch is kept by keep_epoch(), which comes after
    /// the jobs' own rows: a cut in between must not hide that the broker lost its memory.
    Greeting on_welcome(Step& step, const wire::Welcome& welcome);
    void keep_epoch(Step& step);

    /// Whether the broker can be told anything. Otherwise all of it is sent again when it can.
    bool can_send() const { return session_.welcomed() && !persistence_.troubled(); }
    bool welcomed() const { return session_.welcomed(); }
    /// Drops the message unless can_send().
    void send(Step& step, wire::Message message);

    Time next(Time now, LivedTime lived) const { return session_.next(now, lived); }

private:
    Session session_;
    Persistence& persistence_;
    bool epoch_changed_ = false;
};

}  // namespace fanfold::gatherer
