#include "scatterer/client/sockets.hpp"

#include <utility>

#include "scatterer/limits.hpp"
#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"

namespace fanfold::scatterer {

Sockets::Sockets(zmq::context_t& context, net::Loop& loop, SocketOptions options, Sink sink)
    : context_(context), loop_(loop), options_(std::move(options)), sink_(std::move(sink)) {}

// --- the broker

PeerId Sockets::connect() {
    forget_handshakes();
    if (control_.handle()) loop_.forget(control_);
    control_.close();
    blocks_.close();
    control_ = net::connect(context_, zmq::socket_type::dealer, options_.broker,
                            random_peer_id('c'), net::proof_for(options_.keys, &handshakes_));
    loop_.watch(control_, [this] { read_control(); });
    if (handshakes_) loop_.watch(handshakes_->socket(), [this] { read_handshakes(); });
    // Where blocks go, as a rule: a far connection is there by the time that the welcome is.
    if (options_.broker.starts_with("tcp://"))
        open_blocks(net::neighbour_endpoints({options_.broker}, 1).front());
    return {control_.get(zmq::sockopt::routing_id)};
}

void Sockets::welcome(const wire::Welcome& welcome) {
    forget_handshakes();
    std::string endpoint = net::choose_endpoint(welcome.blocks, options_.broker);
    // After a restart the broker may listen elsewhere; what was on its way there is sent again.
    if (blocks_.handle() && blocks_.get(zmq::sockopt::last_endpoint) == endpoint) return;
    if (endpoint.empty())
        throw StartupError("the broker at " + options_.broker +
                           " names no endpoint for blocks that can be used from here");
    open_blocks(endpoint);
}

void Sockets::open_blocks(const std::string& endpoint) {
    blocks_ =
        net::connect(context_, zmq::socket_type::push, endpoint, {}, net::proof_for(options_.keys));
}

void Sockets::forget_handshakes() {
    if (handshakes_) loop_.forget(handshakes_->socket());
    handshakes_.reset();
}

void Sockets::send(const SendBroker& action) { (void)net::send(control_, action.message); }

void Sockets::send(const PushBlock& action) {
    compressed_.learn(action.message);
    (void)net::send(blocks_, action.message, action.body,
                    {.compress = compressed_.wants(action.message)});
}

void Sockets::send(const PushMark& action) { (void)net::send(blocks_, action.message); }

/// Others get their turn after so many messages.
void Sockets::read_control() {
    for (int i = 0; i < limits::messages_per_turn; ++i) {
        auto incoming = net::receive(control_);
        if (!incoming) return;
        if (!incoming->message) {
            sink_(Garbled{{options_.broker}, incoming->message.error().text});
            continue;
        }
        compressed_.learn(*incoming->message);
        sink_(FromBroker{std::move(*incoming->message), std::move(incoming->body)});
    }
}

/// What can't get better by waiting is told as the broker would: by a refusal.
void Sockets::read_handshakes() {
    using News = net::HandshakeWatch::News;
    while (auto news = handshakes_ ? handshakes_->read() : std::nullopt) {
        auto trouble = net::trouble_of(*news, "the broker at " + options_.broker, options_.keys);
        trouble_ = trouble ? trouble->text : "";
        if (*news != News::key_refused && *news != News::not_understood) continue;
        sink_(FromBroker{wire::Refused{.code = wire::RefusalCode::not_allowed,
                                       .text = std::exchange(trouble_, {})}});
    }
}

// --- the gatherers

void Sockets::send(const SendGatherer& action) {
    if (Gatherer* to = gatherer(action.to)) (void)net::send(to->socket, action.message);
}

Sockets::Gatherer* Sockets::gatherer(const wire::GathererRef& named) {
    auto& slot = gatherers_[named.name];
    bool same = slot && slot->key == key_of(named) && slot->public_key == named.public_key &&
                !named.collect.empty();
    // libzmq gives a connection up when its key is refused. The gatherer may have heard of the key
    // only after that: the next request goes over another connection.
    if (same && !slot->refused) return slot.get();
    forget(slot);                               // an earlier life of it
    if (named.collect.empty()) return nullptr;  // its key is let in no more
    slot = open(named);
    if (!slot) return nullptr;
    loop_.watch(slot->socket, [this, name = named.name] { read(name); });
    if (!slot->handshakes) return slot.get();
    loop_.watch(slot->handshakes->socket(), [this, name = named.name] { read_handshakes(name); });
    sink_(Reach{.gatherer = named.name, .endpoint = slot->endpoint});
    return gatherers_[named.name].get();
}

/// Nothing, with a line in the log, where it can't be reached.
std::unique_ptr<Sockets::Gatherer> Sockets::open(const wire::GathererRef& named) {
    auto unusable = [&](const char* what, std::string why) {
        write_log(
            "client",
            {.level = Level::error, .what = what, .peer = named.name, .detail = std::move(why)});
        return nullptr;
    };
    std::string endpoint = net::choose_endpoint(named.collect, options_.broker);
    if (endpoint.empty()) return unusable("no endpoint of the gatherer can be used from here", "");
    auto made = std::make_unique<Gatherer>();
    const bool watched = !endpoint.starts_with("inproc://");  // of which libzmq tells nothing
    auto proof =
        net::proof_for(options_.keys, named, endpoint, watched ? &made->handshakes : nullptr);
    if (!proof) return unusable("nothing is collected from the gatherer", proof.error().text);
    made->endpoint = endpoint;
    made->key = key_of(named);
    made->public_key = named.public_key;
    made->socket =
        net::connect(context_, zmq::socket_type::dealer, endpoint, random_peer_id('c'), *proof);
    return made;
}

void Sockets::forget(std::unique_ptr<Gatherer>& gatherer) {
    if (gatherer) loop_.forget(gatherer->socket);
    if (gatherer && gatherer->handshakes) loop_.forget(gatherer->handshakes->socket());
    gatherer.reset();
}

void Sockets::read_handshakes(const std::string& name) {
    using News = net::HandshakeWatch::News;
    for (;;) {
        const auto& gatherer = gatherers_[name];
        auto news = gatherer && gatherer->handshakes ? gatherer->handshakes->read() : std::nullopt;
        if (!news) return;
        net::log_handshake("client", *news, "gatherer " + name, options_.keys);
        gatherer->refused = gatherer->refused || *news == News::key_refused;
        if (*news == News::accepted || *news == News::lost)
            sink_(Reach{.gatherer = name,
                        .endpoint = gatherer->endpoint,
                        .reached = *news == News::accepted});
    }
}

/// What is read may make the core open the next life of the gatherer, and end this one.
void Sockets::read(const std::string& name) {
    for (int i = 0; i < limits::messages_per_turn; ++i) {
        const auto& gatherer = gatherers_[name];
        auto incoming = gatherer ? net::receive(gatherer->socket, &gatherer->parts) : std::nullopt;
        if (!incoming) return;
        if (incoming->message && incoming->is_part) sink_(GathererSends{gatherer->key});
        else if (incoming->message)
            sink_(FromGatherer{gatherer->key, std::move(*incoming->message),
                               std::move(incoming->body)});
        else sink_(Garbled{{name}, incoming->message.error().text});
    }
}

void Sockets::close() {
    constexpr auto patience = std::chrono::milliseconds(limits::goodbye_time);
    auto close = [](zmq::socket_t& socket, std::chrono::milliseconds linger) {
        if (socket.handle()) socket.set(zmq::sockopt::linger, static_cast<int>(linger.count()));
        socket.close();
    };
    // Without a welcome the goodbye would wait for somebody who is not there.
    bool welcomed = blocks_.handle() != nullptr;
    handshakes_.reset();
    close(control_, welcomed ? patience : std::chrono::milliseconds(0));
    close(blocks_, patience);
    for (auto& [name, gatherer] : gatherers_) {
        if (!gatherer) continue;
        gatherer->handshakes.reset();
        close(gatherer->socket, patience);
    }
    gatherers_.clear();
}

}  // namespace fanfold::scatterer
