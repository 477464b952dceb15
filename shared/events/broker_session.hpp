// The session of a worker, a gatherer or a client with its broker: Hello until it is welcomed,
// heartbeats, a new connection when the broker is silent, other lives of the broker, refusals. It
// sends nothing: a core tells it what came, does what due() says, and keeps for itself what the
// news mean for its work. Owned by the core, on its thread.
//
// A core uses it like this, in each step:
//     on a connection (the first, and each after a Reconnect):  session_.opened(now, lived);
//     on any message of the broker:                             session_.heard(lived);
//     on Welcome:                                  switch (session_.welcomed(now, welcome)) …
//     on Refused without a job:                    switch (session_.refused(now, lived, refused)) …
//     at the end of the step:  Due due = session_.due(now, lived);
//         if (due.reconnect)   its own action Reconnect; where the shell reports no connection,
//                              session_.opened(now, lived) at once, and due() again;
//         if (due.hello)       send session_.hello();
//         if (due.heartbeat)   send a Heartbeat; session_.beaten(now, idle), if it may be idle;
//     to sleep:                                    session_.next(now, lived)
#pragma once

#include <cstdint>
#include <optional>

#include "shared/base/ids.hpp"
#include "shared/base/limits.hpp"
#include "shared/base/lived_time.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold {

class BrokerSession {
public:
    enum class State : std::uint8_t {
        unconnected,  // a connection is awaited
        greeting,     // Hello is said, until Welcome comes
        standing,     // welcomed
        ended,        // left, or refused for good: nothing is due any more
    };
    /// What a Welcome means.
    enum class Greeting : std::uint8_t {
        again,       // the session stood already; its lists may be new
        doubted,     // it may be of an earlier life of the broker, late on its way: passed over
        resumed,     // a new session. The broker knows what it knew: it is the first one that we
                     // meet, the same life, or one that read its store
        other_life,  // a new session with a broker that lost its memory
    };
    /// What a Refused without a job means.
    enum class Refusal : std::uint8_t {
        unknown_session,  // the broker does not know the connection; Hello is due, if it stood
        version,          // it speaks another major version
        peer,             // it does not take this peer, as it is
        other,            // it does not do one thing that was asked for
    };
    /// What is to be done now.
    struct Due {
        bool reconnect = false;  // the broker is silent: open a connection with a fresh routing id
        Duration silent{};       // with reconnect: for how long
        bool hello = false;
        bool heartbeat = false;
    };

    /// Throws StartupError for a Hello that no broker would read: a name past its limit.
    explicit BrokerSession(wire::Hello hello);

    /// There is a connection that nothing was said on.
    void opened(Time now, LivedTime lived);
    /// Anything at all came from the broker.
    void heard(LivedTime lived) { heard_ = lived; }
    Greeting welcomed(Time now, const wire::Welcome& welcome);
    Refusal refused(Time now, LivedTime lived, const wire::Refused& refused);
    /// What is due, which counts as done from then on.
    Due due(Time now, LivedTime lived);

    /// A Heartbeat was said, and whether it named nothing: an idle peer beats more seldom.
    void beaten(Time now, bool idle);
    /// There is something to name again.
    void busy(Time now);
    /// A Heartbeat of the broker came: an idle peer, which is awake now, had best answer it. How
    /// often is up to the broker: it beats more often when it believes that the peer has something.
    bool wants_answer(Time now) const;

    /// The broker is there and refuses: Hello is said again after this time, and until then its
    /// silence means nothing.
    void rest(Time now, Duration time);
    void end() { state_ = State::ended; }
    /// The life of the broker that was known before this process began.
    void restore(const Epoch& broker) { broker_ = broker; }

    const wire::Hello& hello() const { return hello_; }
    bool standing() const { return state_ == State::standing; }
    State state() const { return state_; }
    /// Of the last Welcome; nothing before the first.
    const std::optional<Epoch>& broker() const { return broker_; }
    /// The broker answers Mark, and takes bodies in parts.
    bool knows_marks() const { return broker_minor_ >= wire::minor_of_marks; }
    /// It asks gatherers for what it does not know.
    bool knows_holds() const { return broker_minor_ >= wire::minor_of_holds; }
    /// When it next has something due; never once it has ended.
    Time next(Time now, LivedTime lived) const;

private:
    static constexpr Duration hello_again = std::chrono::seconds(1);
    /// Whether silence means nothing. A client that was never welcomed has a patience of its own,
    /// and until that ends its first connection is as good as another.
    bool waits() const {
        return resting_ ||
               (hello_.role == wire::Role::client && state_ == State::greeting && !broker_);
    }

    wire::Hello hello_;
    State state_ = State::unconnected;
    bool asks_ = false;      // Hello is due in a session that stands, for a Welcome in doubt
    bool resting_ = false;   // the broker's silence means nothing
    bool idle_ = false;      // the last heartbeat named nothing, and nothing has come since
    Time at_ = Time::max();  // when Hello, or a Heartbeat once the session stands, is due
    Time beaten_{};
    LivedTime heard_{};  // the broker's last message, or the begin of the attempt to reach it
    std::optional<Epoch> broker_;
    std::optional<Epoch> doubted_;
    std::uint16_t broker_minor_ = 0;
    Duration heartbeat_ = limits::heartbeat_interval;
    Duration timeout_ = limits::peer_timeout;
};

}  // namespace fanfold
