// CURVE at sockets: what is set on them, what becomes of a connection's handshakes, and the proof
// that a bound socket refuses unknown keys. Each on the thread of its socket.
#pragma once

#include <optional>
#include <string>
#include <zmq.hpp>

#include "shared/net/net.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::net {

/// Told by libzmq's monitor. Ends before the socket that it watches: libzmq must not tell what
/// nobody takes.
class HandshakeWatch {
public:
    enum class News : std::uint8_t {
        accepted,
        key_refused,     // the other side does not know our key; libzmq does not try again
        not_understood,  // one side is plain and the other is not
        broken_off,      // the other side ends, or we expect another key of it than it has
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

/// Before it binds: only keys that the gatekeeper knows are let in.
void set_curve_server(zmq::socket_t& socket, const Gatekeeper& gatekeeper);
/// Before it connects.
void set_curve_client(zmq::socket_t& socket, const KeyPair& own, const std::string& server);

/// Of a program that has keys, or has none: a proof for the broker's sockets.
Proof proof_for(const std::optional<Keys>& keys, std::optional<HandshakeWatch>* watch = nullptr);
/// The same for a gatherer's, whose public key the broker has told; an Error if one of us has keys
/// and the other has none.
Result<Proof> proof_for(const std::optional<Keys>& keys, const wire::GathererRef& gatherer,
                        const std::string& endpoint,
                        std::optional<HandshakeWatch>* watch = nullptr);

/// What news mean for people, as an Error; nothing when all is well.
std::optional<Error> trouble_of(HandshakeWatch::News news, const std::string& with,
                                const std::optional<Keys>& keys);
void log_handshake(const char* component, HandshakeWatch::News news, const std::string& with,
                   const std::optional<Keys>& keys);

/// Warns, in the log, of sockets without keys that other hosts reach.
void warn_if_open(const char* component, const net::Protection& protection,
                  const std::vector<std::string>& bound);

/// The same of a connection without keys to a broker on another host.
void warn_if_plain(const char* component, const std::optional<Keys>& keys,
                   const std::string& broker);

/// Knocks at what is bound with a key that nobody knows. Throws StartupError unless it is refused.
void prove_closed(zmq::context_t& context, zmq::socket_type bound_type, const std::string& bound,
                  Gatekeeper& gatekeeper);

}  // namespace fanfold::net
