// Connections to bound sockets that have not proved a key yet. libzmq keeps what such a one sends,
// as much as any message may be long, until its time for a handshake is over; so there is a limit
// to how many there are, of all and of one address, and to what each sends: the eldest are closed,
// and those that send more. Whatever they prove, the last files that the program may open are not
// for connections. On the thread of the gatekeeper or the doorman.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/base/token_bucket.hpp"

namespace fanfold::net {

class Arrivals {
public:
    /// The events of a monitor that read() wants.
    static constexpr int events = ZMQ_EVENT_ACCEPTED;

    enum class Rule : std::uint8_t {
        prove_a_key,   // within those limits
        any_may_stay,  // there are no keys
    };
    explicit Arrivals(const char* component, Rule rule = Rule::prove_a_key)
        : component_(component), rule_(rule) {}

    /// What a bound socket's monitor tells, or a part of it: whoever else the thread serves gets a
    /// turn.
    void read(zmq::socket_t& news, Time now);
    /// Closes those that send too much, and looks no more at those that have proved their key.
    void look(Time now);
    /// When it is to be called again.
    Time next_look() const { return waiting_.empty() ? Time::max() : next_look_; }

private:
    struct Arrival {
        int fd = -1;
        sockaddr_in6 peer{};
    };
    using Waiting = std::vector<Arrival>;
    void add(int fd, Time now);
    /// Of those that the function counts, the eldest goes if there are more than `most`.
    template <class Counts>
    void shorten(Counts counts, std::size_t most, const char* why, Time now);
    /// Returns the next one.
    Waiting::iterator close(Waiting::iterator arrival, const char* why, Time now);
    void close(int fd, const std::string& whose, const char* why, Time now);

    const char* component_;
    Rule rule_;
    Waiting waiting_;  // the eldest first
    Time next_look_{};
    TokenBucket lines_;  // of the log
};

}  // namespace fanfold::net
