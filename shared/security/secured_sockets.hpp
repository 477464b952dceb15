// Sockets with keys, or without where that is safe or asked for. On the thread of the socket.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>
#include <zmq.hpp>

#include "shared/base/ids.hpp"
#include "shared/security/doorman.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"

namespace fanfold::net {

class Gatekeeper;

/// What a bound socket asks of those who connect.
struct Protection {
    Gatekeeper* gatekeeper = nullptr;  // asks for a key that it knows; nothing: the socket is plain
    bool insecure = false;             // it may be plain where other hosts reach it
};

/// What a connecting socket proves, and of whom it wants proof.
struct Proof {
    const KeyPair* own = nullptr;  // nothing: the connection is plain, as it always is over inproc
    std::string server{};          // the public key that the other side must have
    /// Watches from then on.
    std::optional<HandshakeWatch>* watch = nullptr;
};

/// A bound socket: its gatekeeper or its doorman is told of connections as long as it lives.
class BoundSocket : public zmq::socket_t {
public:
    BoundSocket() = default;
    explicit BoundSocket(zmq::socket_t socket) : zmq::socket_t(std::move(socket)) {}
    void guard(std::unique_ptr<Doorman> doorman) { doorman_ = std::move(doorman); }
    BoundSocket(BoundSocket&&) = default;
    BoundSocket& operator=(BoundSocket&&) = default;
    ~BoundSocket() {
        if (*this) end_monitor(handle());
    }

private:
    std::unique_ptr<Doorman> doorman_;
};

/// Binds one socket to all the endpoints; `bound` receives them with wildcards resolved. With a
/// gatekeeper it is proved that an unknown key is refused. Throws StartupError naming the endpoint,
/// the reason, and `option` as the way out.
BoundSocket bind(zmq::context_t& context, zmq::socket_type type,
                 const std::vector<std::string>& endpoints, const std::string& option,
                 std::vector<std::string>& bound, const Protection& protection = {});

/// A connecting socket; with a routing id for a DEALER. Throws StartupError for an endpoint that
/// can't be used.
zmq::socket_t connect(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint,
                      const PeerId& self = {}, const Proof& proof = {});

/// Of a program that has keys, or has none: a proof for the broker's sockets.
Proof proof_for(const std::optional<Keys>& keys, std::optional<HandshakeWatch>* watch = nullptr);

/// A proof for a gatherer's sockets, whose public key the broker has told; an Error if one of us
/// has keys and the other has none.
Result<Proof> proof_for(const std::optional<Keys>& keys, const wire::GathererRef& gatherer,
                        const std::string& endpoint,
                        std::optional<HandshakeWatch>* watch = nullptr);

/// Knocks at what is bound with a key that nobody knows. Throws StartupError unless it is refused.
void prove_closed(zmq::context_t& context, zmq::socket_type bound_type, const std::string& bound,
                  Gatekeeper& gatekeeper);

/// Warns, in the log, of sockets without keys that other hosts reach.
void warn_if_open(const char* component, const Protection& protection,
                  const std::vector<std::string>& bound);

/// Warns of a connection without keys to a broker on another host.
void warn_if_plain(const char* component, const std::optional<Keys>& keys,
                   const std::string& broker);

}  // namespace fanfold::net
