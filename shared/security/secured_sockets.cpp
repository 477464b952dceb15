#include "shared/security/secured_sockets.hpp"

#include <algorithm>
#include <cerrno>

#include "shared/base/limits.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/loop.hpp"
#include "shared/net/sockets.hpp"
#include "shared/security/gatekeeper.hpp"

namespace fanfold::net {

namespace {
constexpr int zap_enforce_domain =
    93;  // without a handler nobody gets in; zmq.h names it among drafts alone

void wait_for_input(zmq::socket_t& socket, Duration at_most) {
    zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
    try {
        zmq::poll(&item, 1, std::chrono::ceil<std::chrono::milliseconds>(at_most));
    } catch (const zmq::error_t& error) {
        if (error.num() != EINTR) throw;
    }
}

std::string from_here(const std::string& bound) {
    auto address = tcp_address(bound);
    if (!address || !binds_all(address->host)) return bound;
    return std::string("tcp://") + (address->host.starts_with('[') ? "[::1]:" : "127.0.0.1:") +
           address->port;
}

bool is_inproc(const std::string& endpoint) { return endpoint.starts_with("inproc://"); }

/// Before it binds: only keys that the gatekeeper knows are let in.
void set_curve_server(zmq::socket_t& socket, const Gatekeeper& gatekeeper) {
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::curve_secretkey, gatekeeper.own().secret_key);
    socket.set(zmq::sockopt::zap_domain, "fanfold");
    int yes = 1;
    if (zmq_setsockopt(socket.handle(), zap_enforce_domain, &yes, sizeof yes) != 0)
        throw StartupError(
            "this libzmq can't be told to let nobody in without asking (ZMQ_ZAP_ENFORCE_DOMAIN); "
            "use 4.3.1 or later");
}

/// Before it connects.
void set_curve_client(zmq::socket_t& socket, const KeyPair& own, const std::string& server) {
    socket.set(zmq::sockopt::curve_serverkey, server);
    socket.set(zmq::sockopt::curve_publickey, own.public_key);
    socket.set(zmq::sockopt::curve_secretkey, own.secret_key);
}
}  // namespace

BoundSocket bind(zmq::context_t& context, zmq::socket_type type,
                 const std::vector<std::string>& endpoints, const std::string& option,
                 std::vector<std::string>& bound, const Protection& protection) {
    BoundSocket socket(make_socket(context, type));
    if (protection.gatekeeper) {
        set_curve_server(socket, *protection.gatekeeper);
        protection.gatekeeper->watch(monitor(context, socket, Arrivals::events));
    } else if (!std::ranges::all_of(endpoints, is_inproc)) {
        socket.guard(std::make_unique<Doorman>(monitor(context, socket, Arrivals::events)));
    }
    socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits::body_bytes));
    if (type == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, true);
    for (const auto& endpoint : endpoints) {
        if (!protection.gatekeeper && !protection.insecure && !is_local(endpoint))
            throw StartupError("cannot bind " + endpoint +
                               " without keys, since other hosts reach it: name their folder with "
                               "--keys (fanfold keygen makes them), bind 127.0.0.1 with " +
                               option + ", or say --insecure");
        bound.push_back(bind_to(socket, endpoint, option));
    }
    if (!protection.gatekeeper) return socket;
    for (const auto& endpoint : bound)
        if (!endpoint.starts_with("inproc://"))
            prove_closed(context, type, endpoint, *protection.gatekeeper);
    return socket;
}

zmq::socket_t connect(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint,
                      const PeerId& self, const Proof& proof) {
    zmq::socket_t socket = make_socket(context, type);
    if (proof.own && !endpoint.starts_with("inproc://"))
        set_curve_client(socket, *proof.own, proof.server);
    if (proof.watch) proof.watch->emplace(context, socket);
    if (!self.bytes.empty()) socket.set(zmq::sockopt::routing_id, self.bytes);
    connect_to(socket, endpoint);
    return socket;
}

Proof proof_for(const std::optional<Keys>& keys, std::optional<HandshakeWatch>* watch) {
    if (!keys) return {.watch = watch};
    return {.own = &keys->own, .server = keys->broker, .watch = watch};
}

Result<Proof> proof_for(const std::optional<Keys>& keys, const wire::GathererRef& gatherer,
                        const std::string& endpoint, std::optional<HandshakeWatch>* watch) {
    if (endpoint.starts_with("inproc://") || (!keys && gatherer.public_key.empty()))
        return Proof{.watch = watch};
    if (!keys)
        return fail("gatherer " + gatherer.name +
                    " has a key, and this program has none; name a folder with keys (--keys)");
    if (!is_public_key(gatherer.public_key))
        return fail(
            "gatherer " + gatherer.name +
            " has no key, and this program talks only to those that have; start it with --keys");
    return Proof{.own = &keys->own, .server = gatherer.public_key, .watch = watch};
}

void prove_closed(zmq::context_t& context, zmq::socket_type bound_type, const std::string& bound,
                  Gatekeeper& gatekeeper) {
    KeyPair stranger = make_key_pair();
    gatekeeper.expect(stranger.public_key);
    zmq::socket_t knocking =
        make_socket(context, bound_type == zmq::socket_type::pull ? zmq::socket_type::push
                                                                  : zmq::socket_type::dealer);
    set_curve_client(knocking, stranger, gatekeeper.own().public_key);
    std::optional<HandshakeWatch> watch;
    watch.emplace(context, knocking);
    knocking.connect(from_here(bound));
    Time until = Loop::now() + limits::proof_patience;
    std::optional<HandshakeWatch::News> news;
    auto is_verdict = [&] {
        return news == HandshakeWatch::News::accepted || news == HandshakeWatch::News::key_refused;
    };
    while (Loop::now() < until && !is_verdict()) {
        wait_for_input(watch->socket(), until - Loop::now());
        news = watch->read();
    }
    watch.reset();
    if (!is_verdict())
        throw StartupError("cannot prove that " + bound +
                           " is closed to unknown keys: it did not answer one within 20 s");
    if (news == HandshakeWatch::News::accepted)
        throw StartupError(bound +
                           " has let an unknown key in; this libzmq can't be trusted with it");
}

void warn_if_open(const char* component, const Protection& protection,
                  const std::vector<std::string>& bound) {
    for (const std::string& endpoint : bound)
        if (!protection.gatekeeper && !is_local(endpoint))
            write_log(
                component,
                {.level = Level::warn,
                 .what = "INSECURE: whoever reaches it may run jobs, read them and change results",
                 .detail = endpoint + " is bound without keys"});
}

void warn_if_plain(const char* component, const std::optional<Keys>& keys,
                   const std::string& broker) {
    if (!keys && !is_local(broker))
        write_log(component, {.level = Level::warn,
                              .what = "INSECURE: whoever answers in the broker's place is obeyed, "
                                      "and can read and change everything",
                              .detail = broker + " is used without keys"});
}

}  // namespace fanfold::net
