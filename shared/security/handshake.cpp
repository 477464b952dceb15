#include "shared/security/handshake.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shared/log/logging.hpp"
#include "shared/security/gatekeeper.hpp"

namespace fanfold::net {

namespace {
using namespace std::chrono_literals;
constexpr int zap_enforce_domain =
    93;  // without a handler nobody gets in; zmq.h names it among drafts alone
constexpr Duration proof_patience = 20s;
constexpr int watched_events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
                               ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                               ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;

void wait_for_input(zmq::socket_t& socket, Duration at_most) {
    zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
    try {
        zmq::poll(&item, 1, std::chrono::ceil<std::chrono::milliseconds>(at_most));
    } catch (const zmq::error_t& error) {
        if (error.num() != EINTR) throw;
    }
}

std::optional<HandshakeWatch::News> news_of(int event) {
    switch (event) {
        case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: return HandshakeWatch::News::accepted;
        case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: return HandshakeWatch::News::key_refused;
        case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: return HandshakeWatch::News::not_understood;
        case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: return HandshakeWatch::News::broken_off;
        default: return std::nullopt;  // numbers that are not ours
    }
}

std::string from_here(const std::string& bound) {
    auto address = tcp_address(bound);
    if (!address || !binds_all(address->host)) return bound;
    return std::string("tcp://") + (address->host.starts_with('[') ? "[::1]:" : "127.0.0.1:") +
           address->port;
}
}  // namespace

HandshakeWatch::HandshakeWatch(zmq::context_t& context, zmq::socket_t& watched)
    : watched_(watched.handle()), news_(context, zmq::socket_type::pair) {
    static std::atomic<std::uint64_t> number{0};
    std::string endpoint = inproc_endpoint("handshakes-" + std::to_string(++number));
    news_.set(zmq::sockopt::linger, 0);
    news_.set(zmq::sockopt::rcvhwm, 0);  // libzmq's own thread must never wait for who reads this
    if (zmq_socket_monitor(watched.handle(), endpoint.c_str(), watched_events) != 0)
        throw zmq::error_t();
    news_.connect(endpoint);
}

HandshakeWatch::~HandshakeWatch() { zmq_socket_monitor(watched_, nullptr, 0); }

std::optional<HandshakeWatch::News> HandshakeWatch::read() {
    zmq::message_t frame;
    while (news_.recv(frame, zmq::recv_flags::dontwait)) {
        std::uint16_t event = 0;
        if (frame.size() >= sizeof event) std::memcpy(&event, frame.data(), sizeof event);
        while (frame.more()) (void)news_.recv(frame);
        auto news = news_of(event);
        if (news && std::exchange(last_, news) != news) return news;
    }
    return std::nullopt;
}

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

void set_curve_client(zmq::socket_t& socket, const KeyPair& own, const std::string& server) {
    socket.set(zmq::sockopt::curve_serverkey, server);
    socket.set(zmq::sockopt::curve_publickey, own.public_key);
    socket.set(zmq::sockopt::curve_secretkey, own.secret_key);
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

std::optional<Error> trouble_of(HandshakeWatch::News news, const std::string& with,
                                const std::optional<Keys>& keys) {
    switch (news) {
        case HandshakeWatch::News::accepted: return std::nullopt;
        case HandshakeWatch::News::key_refused:
            return Error{with + " does not let this key in: " + (keys ? keys->own.public_key : "") +
                         "; have it added to the broker's file of allowed keys"};
        case HandshakeWatch::News::not_understood:
            if (!keys)
                return Error{with +
                             " wants keys; name the folder of yours with --keys (fanfold keygen "
                             "makes them)"};
            return Error{with +
                         " has no keys, and this program uses them; start it with --keys, or this "
                         "one without"};
        case HandshakeWatch::News::broken_off:
            if (!keys) return std::nullopt;
            return Error{with +
                         " breaks connections off: perhaps it has another key than the one that is "
                         "known here"};
    }
    return std::nullopt;
}

void log_handshake(const char* component, HandshakeWatch::News news, const std::string& with,
                   const std::optional<Keys>& keys) {
    auto trouble = trouble_of(news, with, keys);
    Level level = news == HandshakeWatch::News::broken_off ? Level::debug : Level::warn;
    if (trouble)
        write_log(component, {.level = level, .what = "no connection", .detail = trouble->text});
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

void prove_closed(zmq::context_t& context, zmq::socket_type bound_type, const std::string& bound,
                  Gatekeeper& gatekeeper) {
    KeyPair stranger = make_key_pair();
    gatekeeper.expect(stranger.public_key);
    zmq::socket_t knocking(context, bound_type == zmq::socket_type::pull
                                        ? zmq::socket_type::push
                                        : zmq::socket_type::dealer);
    knocking.set(zmq::sockopt::linger, 0);
    knocking.set(zmq::sockopt::ipv6, true);
    set_curve_client(knocking, stranger, gatekeeper.own().public_key);
    std::optional<HandshakeWatch> watch;
    watch.emplace(context, knocking);
    knocking.connect(from_here(bound));
    Time until = Loop::now() + proof_patience;
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

}  // namespace fanfold::net
