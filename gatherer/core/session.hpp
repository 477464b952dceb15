// The gatherer's session with its broker: Hello until welcomed, heartbeats both ways, a new
// connection when the broker is silent. Silence is measured in lived time, so that a pause of this
// process is held against nobody. Owned by the core, on its thread.
#pragma once

#include <optional>

#include "gatherer/core/events.hpp"

namespace fanfold::gatherer {

/// What a Welcome means for the jobs.
enum class Greeting {
    again,    // the session stood already
    resumed,  // the broker knows what it knew: its same life, one that read its store, or the first
              // one that we meet
    other_life,  // the broker lost its memory
};

class Session {
public:
    explicit Session(wire::GathererRef self) : self_(std::move(self)) {}

    /// Says Hello, beats, or gives the connection up, as time asks for.
    void on_time(Step& step);
    Greeting on_welcome(Step& step, const wire::Welcome& welcome);
    void on_refused(Step& step, const wire::Refused& refused);
    /// Anything at all from the broker.
    void on_message(const Step& step) { heard_ = step.lived; }

    bool welcomed() const { return welcomed_; }
    /// The life of the broker that was known before this life of ours.
    void restore(const Epoch& broker) { broker_ = broker; }
    const std::optional<Epoch>& broker() const { return broker_; }
    /// When it next wants to act; `now` and `lived` are those of the last step.
    Time next(Time now, LivedTime lived) const;

private:
    void say_hello(Step& step);

    wire::GathererRef self_;
    bool started_ = false;
    bool welcomed_ = false;
    bool refused_ = false;  // for its version: the broker is there, so its silence means nothing
    std::optional<Epoch> broker_;  // the life of the broker that we know
    std::optional<Epoch>
        doubted_;  // of a Welcome that may be one of an earlier life of the broker, late on its way
    Duration heartbeat_ = limits::heartbeat_interval;
    Duration timeout_ = limits::peer_timeout;
    Time next_send_{};  // of a Hello, or once welcomed of a Heartbeat
    LivedTime heard_{};
};

}  // namespace fanfold::gatherer
