// What becomes of a connection's handshakes: told by a watch, and in words. Each on the thread of
// its socket.
#pragma once

#include <optional>
#include <string>
#include <zmq.hpp>

#include "shared/security/keys.hpp"

namespace fanfold::net {

/// What a socket's monitor tells: a ZMQ_EVENT_ number, and the descriptor or the error that belongs
/// to it.
struct MonitorEvent {
    int number = 0;
    int value = 0;
};

/// A socket that gets these events of the watched one from now on. It may go to another thread. The
/// monitor must end before it is closed, for libzmq's own thread waits for who reads it.
zmq::socket_t monitor(zmq::context_t& context, zmq::socket_t& watched, int events);
void end_monitor(void* watched);
/// The next event; nothing when there is none.
std::optional<MonitorEvent> read_event(zmq::socket_t& news);

/// Told by libzmq's monitor. Ends before the socket that it watches: libzmq must not tell what
/// nobody takes.
class HandshakeWatch {
public:
    enum class News : std::uint8_t {
        accepted,
        key_refused,     // the other side does not know our key; libzmq does not try again
        not_understood,  // one side is plain and the other is not
        broken_off,      // the other side ends, or we expect another key of it than it has
        lost,            // a connection that was accepted is no more
    };
    /// Before the socket connects.
    HandshakeWatch(zmq::context_t& context, zmq::socket_t& watched);
    ~HandshakeWatch();
    HandshakeWatch(const HandshakeWatch&) = delete;
    HandshakeWatch& operator=(const HandshakeWatch&) = delete;

    /// Has input when there are news.
    zmq::socket_t& socket() { return news_; }
    /// What is as before is no news.
    std::optional<News> read();

private:
    void* watched_;
    zmq::socket_t news_;
    std::optional<News> last_;
};

/// What news mean for people, as an Error; nothing when all is well.
std::optional<Error> trouble_of(HandshakeWatch::News news, const std::string& with,
                                const std::optional<Keys>& keys);
void log_handshake(const char* component, HandshakeWatch::News news, const std::string& with,
                   const std::optional<Keys>& keys);

}  // namespace fanfold::net
