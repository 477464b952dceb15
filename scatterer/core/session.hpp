// This client's session with the broker (shared/events/broker_session.hpp), its patience with one
// that does not answer, and what people are told of both. It returns what changed; jobs and
// questions are told of that by the core. On the core's thread.
#pragma once

#include <optional>
#include <string>

#include "scatterer/core/step.hpp"
#include "scatterer/limits.hpp"
#include "shared/events/broker_session.hpp"

namespace fanfold::scatterer {

struct Options {
    std::string broker;                                  // its endpoint, for what people read
    std::string name;                                    // of this client
    Epoch epoch;                                         // of this client's life
    Duration connect_timeout = limits::connect_timeout;  // of a broker that was never met
    Duration give_up = limits::give_up;                  // of one that was
};

class Session {
public:
    /// There is no session, and none to hope for.
    struct Failure {
        std::string text;
    };

    struct Kept {
        std::optional<std::string> notice;  // for people: what is waited for, and for how long
        bool reconnect = false;             // a new connection is wanted
        bool heartbeat = false;             // one is to be said
    };

    explicit Session(Options options);

    void on_opened(Step& step, const PeerId& self);
    void heard(const Step& step) { session_.heard(step.lived); }
    BrokerSession::Greeting on_welcome(Step& step, const wire::Welcome& welcome);
    /// A refusal that is about no job.
    std::optional<Failure> on_refused(Step& step, const wire::Refused& refused);
    /// Gives up a broker that does not answer.
    std::optional<Failure> check_patience(Step& step);
    /// Says hello, and that this client lives.
    Kept keep(Step& step);
    /// Says goodbye, and nothing after that.
    void leave(Step& step);

    Time next_wakeup(Time now, LivedTime lived) const;
    bool connected() const { return session_.standing(); }
    /// Whether people were told of the present wait for the broker: its end is worth a word too.
    bool told_of_wait() const { return told_of_wait_; }
    const std::string& broker() const { return options_.broker; }
    Duration give_up() const { return options_.give_up; }
    bool accepts_calls() const { return failure_.empty(); }
    /// Why calls are not accepted.
    const std::string& failure() const { return failure_; }
    std::uint64_t job_credit() const { return welcome_ ? welcome_->job_credit : 0; }
    bool knows_marks() const { return session_.knows_marks(); }
    /// The routing id of the connection.
    const PeerId& self() const { return self_; }
    void check_invariants() const;

private:
    Failure fail(Step& step, const std::string& text);
    void begin_wait(LivedTime lived, Duration first_word);
    void end_wait();
    /// How long the broker is waited for.
    Duration patience() const {
        return session_.broker() ? options_.give_up : options_.connect_timeout;
    }
    std::string absence() const;
    std::string word_of_wait(LivedTime lived) const;

    const Options options_;
    BrokerSession session_;
    PeerId self_;
    std::string failure_;  // until a Welcome, or for good once the session has ended
    std::optional<wire::Welcome> welcome_;    // of the latest session
    std::optional<LivedTime> waiting_since_;  // no session since then
    LivedTime next_word_{};                   // of that wait, to people
    bool told_of_wait_ = false;
};

}  // namespace fanfold::scatterer
