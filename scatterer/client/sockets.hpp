// The client's sockets: to the broker a DEALER for control and a PUSH for blocks, and a DEALER to
// each gatherer that results are collected from. What comes in is handed on as events. They belong
// to the client's thread, once that runs.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "scatterer/core/events.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/parts.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/wire/packing.hpp"

namespace fanfold::scatterer {

struct SocketOptions {
    std::string broker{};  // endpoint of its control socket, checked
    std::optional<Keys> keys{};
};

class Sockets {
public:
    using Sink = std::function<void(Event)>;
    /// `sink` is called from within the loop's turns.
    Sockets(zmq::context_t& context, net::Loop& loop, SocketOptions options, Sink sink);

    /// Connects to the broker, anew if there was a connection. Returns the routing id. Throws
    /// StartupError for an endpoint that ZeroMQ does not take.
    PeerId connect();
    /// The broker has let this client in: blocks go where its welcome says.
    void welcome(const wire::Welcome& welcome);
    void send(const SendBroker& action);
    void send(const PushBlock& action);
    void send(const PushMark& action);
    void send(const SendGatherer& action);
    /// What the handshakes say of why there is no connection; empty if they say nothing.
    const std::string& trouble() const { return trouble_; }
    void close();

private:
    struct Gatherer {
        GathererKey key{};
        std::string public_key{};
        zmq::socket_t socket{};
        net::Parts parts{};
        std::string endpoint{};
        std::optional<net::HandshakeWatch> handshakes{};  // not over inproc
        bool refused = false;                             // our key
    };

    Gatherer* gatherer(const wire::GathererRef& named);
    std::unique_ptr<Gatherer> open(const wire::GathererRef& named);
    void forget(std::unique_ptr<Gatherer>& gatherer);
    void open_blocks(const std::string& endpoint);
    void forget_handshakes();
    void read_handshakes(const std::string& gatherer);
    void read_control();
    void read(const std::string& name);
    void read_handshakes();

    zmq::context_t& context_;
    net::Loop& loop_;
    const SocketOptions options_;
    const Sink sink_;
    zmq::socket_t control_;
    std::optional<net::HandshakeWatch> handshakes_;  // of that, until there is a welcome
    std::string trouble_;
    zmq::socket_t blocks_;
    CompressedJobs compressed_;
    std::map<std::string, std::unique_ptr<Gatherer>> gatherers_;  // by name
};

}  // namespace fanfold::scatterer
