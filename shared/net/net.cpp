#include "shared/net/net.hpp"

#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>

#include "shared/events/idling.hpp"
#include "shared/net/awake.hpp"
#include "shared/net/backlog.hpp"
#include "shared/net/twin.hpp"
#include "shared/security/gatekeeper.hpp"
#include "shared/security/handshake.hpp"
#include "shared/wire/codec.hpp"
#include "shared/wire/packing.hpp"

namespace fanfold::net {

namespace {
constexpr std::size_t copied_below = 8 << 10;  // libzmq copies a frame's first 8 KiB anyway
constexpr int loopback_send_buffer = 512 << 10;

std::random_device& device() {
    static thread_local std::random_device source;
    return source;
}

TcpAddress split_tcp(const std::string& endpoint) {
    std::string rest = endpoint.substr(6);
    auto colon = rest.rfind(':');
    if (colon == std::string::npos) return {rest, ""};
    return {rest.substr(0, colon), rest.substr(colon + 1)};
}
bool is(const std::string& endpoint, const char* scheme) { return endpoint.rfind(scheme, 0) == 0; }
/// libzmq names an IPv4 address bound by an IPv6 socket as [::ffff:1.2.3.4].
std::string without_mapping(std::string endpoint) {
    constexpr std::string_view mapped = "tcp://[::ffff:";
    auto end = endpoint.find("]:");
    if (!endpoint.starts_with(mapped) || end == std::string::npos || endpoint.find('.') > end)
        return endpoint;
    return "tcp://" + endpoint.substr(mapped.size(), end - mapped.size()) +
           endpoint.substr(end + 1);
}

std::string why(const zmq::error_t& error) {
    switch (error.num()) {
        case EADDRINUSE: return "the address is in use";
        case EADDRNOTAVAIL: return "this machine has no such address";
        case ENODEV: return "this machine has no such interface or host name";
        case EACCES: return "permission denied";
        case EINVAL: return "it is not an endpoint";
        case EPROTONOSUPPORT: return "its transport is not known";
        default: return error.what();
    }
}

void set_defaults(zmq::socket_t& socket) {
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, 0);  // our credits are the limit
    socket.set(zmq::sockopt::rcvhwm, 2000);
    socket.set(zmq::sockopt::reconnect_ivl, 50);
    socket.set(zmq::sockopt::reconnect_ivl_max, 1000);
    socket.set(zmq::sockopt::handshake_ivl, 5000);
    socket.set(zmq::sockopt::backlog, 1024);
    socket.set(zmq::sockopt::ipv6, true);
}

/// For the endpoint that the socket meets next. Over loopback a send buffer grows to megabytes, and
/// what is read from it has left the processor's caches by then; over a network the kernel knows
/// best how much must be on its way.
void set_send_buffer(zmq::socket_t& socket, const std::string& endpoint) {
    socket.set(zmq::sockopt::sndbuf,
               is(endpoint, "tcp://") && is_local(endpoint) ? loopback_send_buffer : -1);
}

// libzmq hands frames from thread to thread by means that ThreadSanitizer does not see: here it is
// told.
#if defined(__SANITIZE_THREAD__)
void hand_over(const char* bytes) { __tsan_release(const_cast<char*>(bytes)); }
void take_over(const char* bytes) { __tsan_acquire(const_cast<char*>(bytes)); }
#else
void hand_over(const char*) {}
void take_over(const char*) {}
#endif

zmq::message_t frame_of(const Slice& bytes) {
    hand_over(bytes.data());
    // The holder keeps the bytes alive until libzmq's own thread is done with them.
    auto holder = std::make_unique<Slice>(bytes);
    auto release = [](void*, void* hint) { delete static_cast<Slice*>(hint); };
    return {const_cast<char*>(bytes.data()), bytes.size(), release, holder.release()};
}

zmq::message_t frame_of_body(const Slice& bytes) {
    if (bytes.size() < copied_below) return {bytes.data(), bytes.size()};
    return frame_of(bytes);
}

/// A ROUTER's peer, and what waits for it and the others.
struct To {
    const PeerId& peer;
    Backlog& backlog;
    const wire::Message& message;
};

Sent send_frames(zmq::socket_t& socket, std::string header, const Slice& body, const To* to) {
    constexpr auto now = zmq::send_flags::dontwait;
    constexpr auto more = now | zmq::send_flags::sndmore;
    try {
        auto last_or_more = body.empty() ? now : more;
        if (to) {
            auto held = to->backlog.hold(to->peer, to->message, std::move(header));
            if (!held) return Sent::unread;
            if (!socket.send(zmq::buffer(to->peer.bytes), more)) return Sent::would_block;
            if (!socket.send(frame_of(*held), last_or_more)) return Sent::would_block;
        } else if (!socket.send(zmq::buffer(header), last_or_more)) {
            return Sent::would_block;
        }
        if (!body.empty() && !socket.send(frame_of_body(body), now)) return Sent::would_block;
        return Sent::yes;
    } catch (const zmq::error_t& error) {
        if (error.num() == EHOSTUNREACH) return Sent::unroutable;
        throw;
    }
}

Sent send_message(zmq::socket_t& socket, const wire::Message& message, const Slice& body,
                  bool compress, const To* to) {
    std::string header = wire::encode(message);
    if (compress)
        if (auto packed = pack(header, body.view()))
            return send_frames(socket, std::move(packed->header), packed->body, to);
    return send_frames(socket, std::move(header), body, to);
}

/// A capital says that the peer is not on tcp.
bool is_marked_local(const PeerId& peer) {
    return !peer.bytes.empty() && peer.bytes[0] >= 'A' && peer.bytes[0] <= 'Z';
}
PeerId marked_local(PeerId peer) {
    if (peer.bytes[0] >= 'a' && peer.bytes[0] <= 'z')
        peer.bytes[0] = static_cast<char>(peer.bytes[0] - 'a' + 'A');
    return peer;
}

int number_of(void* socket, int option) {
    int number = 0;
    std::size_t size = sizeof number;
    while (zmq_getsockopt(socket, option, &number, &size) != 0)
        if (zmq_errno() != EINTR) throw zmq::error_t();
    return number;
}

Slice slice_of(zmq::message_t&& frame) {
    auto owner = std::make_shared<const zmq::message_t>(std::move(frame));
    take_over(owner->data<char>());
    return Slice::share(owner, owner->to_string_view());
}
}  // namespace

PeerId random_peer_id(char kind) {
    static constexpr char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
    std::uniform_int_distribution<std::size_t> pick(0, sizeof letters - 2);
    std::string id(1, kind);
    while (id.size() < 12) id += letters[pick(device())];
    return {id};
}

std::uint64_t random_number() { return std::uint64_t{device()()} << 32 | device()(); }

std::chrono::microseconds microseconds_since_1970() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
}

void share_one_heap() { mallopt(M_ARENA_MAX, 1); }

void tune_memory() {
    mallopt(M_MMAP_THRESHOLD, 64 << 20);
    mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

std::string inproc_endpoint(const std::string& name) {
    static const std::string token = std::to_string(random_number());
    return "inproc://fanfold-" + token + "/" + name;
}

Result<void> check_endpoint(const std::string& endpoint, const std::string& option,
                            bool for_binding) {
    auto refuse = [&](const std::string& reason) {
        return fail(option + ": '" + endpoint + "' " + reason +
                    "; write it as tcp://HOST:PORT or ipc:///PATH");
    };
    if (is(endpoint, "inproc://") && endpoint.size() > 9) return {};
    if (is(endpoint, "ipc://")) {
        if (endpoint.size() == 6) return refuse("has no path");
        return {};
    }
    if (!is(endpoint, "tcp://")) return refuse("is not an endpoint");
    TcpAddress address = split_tcp(endpoint);
    if (address.host.empty()) return refuse("has no host");
    if (address.port.empty()) return refuse("has no port");
    if (address.port == "*" && for_binding) return {};
    bool digits = std::all_of(address.port.begin(), address.port.end(),
                              [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || address.port.size() > 5 || std::stoi(address.port) > 65535 ||
        (address.port == "0" && !for_binding))
        return refuse("has no usable port");
    return {};
}

std::string neighbour_endpoint(const std::string& endpoint, int offset) {
    if (!is(endpoint, "tcp://")) return endpoint + "-" + std::to_string(offset);
    TcpAddress address = split_tcp(endpoint);
    if (address.port == "*" || address.port == "0") return endpoint;
    return "tcp://" + address.host + ":" + std::to_string(std::stoi(address.port) + offset);
}

std::vector<std::string> neighbour_endpoints(const std::vector<std::string>& endpoints,
                                             int offset) {
    std::vector<std::string> result;
    result.reserve(endpoints.size());
    for (const auto& endpoint : endpoints) result.push_back(neighbour_endpoint(endpoint, offset));
    return result;
}

void require(const Result<void>& result) {
    if (!result) throw StartupError(result.error().text);
}

std::string advertised(const std::string& bind, const std::string& bound,
                       const std::string& advertise, int offset) {
    if (advertise.empty()) return bound;
    if (!is(bind, "tcp://") || !is(advertise, "tcp://"))
        return neighbour_endpoint(advertise, offset);
    std::string port = split_tcp(bind).port;
    if (port != "*" && port != "0") return neighbour_endpoint(advertise, offset);
    return "tcp://" + split_tcp(advertise).host + ":" + split_tcp(bound).port;
}

std::string with_host_name(const std::string& endpoint) {
    if (!is(endpoint, "tcp://")) return endpoint;
    TcpAddress address = split_tcp(endpoint);
    std::array<char, 256> name{};
    if (!binds_all(address.host) || gethostname(name.data(), name.size() - 1) != 0) return endpoint;
    return "tcp://" + std::string(name.data()) + ":" + address.port;
}

std::optional<TcpAddress> tcp_address(const std::string& endpoint) {
    if (!is(endpoint, "tcp://")) return std::nullopt;
    return split_tcp(endpoint);
}

bool binds_all(const std::string& host) {
    return host == "*" || host == "0.0.0.0" || host == "[::]" || host == "::";
}

bool is_local(const std::string& endpoint) {
    if (!is(endpoint, "tcp://")) return true;
    std::string host = split_tcp(endpoint).host;
    bool digits = host.find_first_not_of("0123456789.") == std::string::npos;
    return host == "localhost" || host == "[::1]" || host == "lo" ||
           (digits && host.starts_with("127."));
}

std::string choose_endpoint(const std::vector<std::string>& endpoints, const std::string& via) {
    const std::string own = inproc_endpoint("");
    for (const auto& endpoint : endpoints)
        if (is(endpoint, own.c_str())) return endpoint;
    auto is_here = [](const std::string& endpoint) {
        return is(endpoint, "ipc://") && access(endpoint.c_str() + 6, W_OK) == 0;
    };
    for (const auto& endpoint : endpoints)
        if (!uses_tcp_alone() && is_here(endpoint) && answers(endpoint)) return endpoint;
    for (const auto& endpoint : endpoints) {
        if (!is(endpoint, "tcp://")) continue;
        TcpAddress address = split_tcp(endpoint);
        if (!binds_all(address.host)) return endpoint;
        if (is(via, "tcp://")) return "tcp://" + split_tcp(via).host + ":" + address.port;
        return "tcp://127.0.0.1:" + address.port;
    }
    for (const auto& endpoint : endpoints)
        if (is_here(endpoint)) return endpoint;
    return {};
}

zmq::socket_t bind(zmq::context_t& context, zmq::socket_type type,
                   const std::vector<std::string>& endpoints, const std::string& option,
                   std::vector<std::string>& bound, const Protection& protection) {
    zmq::socket_t socket(context, type);
    set_defaults(socket);
    if (protection.gatekeeper) set_curve_server(socket, *protection.gatekeeper);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits::body_bytes));
    if (type == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, true);
    for (const auto& endpoint : endpoints) {
        if (!protection.gatekeeper && !protection.insecure && !is_local(endpoint))
            throw StartupError("cannot bind " + endpoint +
                               " without keys, since other hosts reach it: name their folder with "
                               "--keys (fanfold " +
                               "keygen makes them), bind 127.0.0.1 with " + option +
                               ", or say --insecure");
        set_send_buffer(socket, endpoint);
        try {
            socket.bind(endpoint);
        } catch (const zmq::error_t& error) {
            throw StartupError("cannot bind " + endpoint + ": " + why(error) +
                               "; choose another with " + option);
        }
        bound.push_back(without_mapping(socket.get(zmq::sockopt::last_endpoint)));
    }
    if (!protection.gatekeeper) return socket;
    for (const auto& endpoint : bound)
        if (!is(endpoint, "inproc://"))
            prove_closed(context, type, endpoint, *protection.gatekeeper);
    return socket;
}

zmq::socket_t connect(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint,
                      const PeerId& self, const Proof& proof) {
    zmq::socket_t socket(context, type);
    set_defaults(socket);
    std::string used = twin_or_itself(endpoint);
    if (proof.own && !is(used, "inproc://")) set_curve_client(socket, *proof.own, proof.server);
    if (proof.watch) proof.watch->emplace(context, socket);
    if (!self.bytes.empty())
        socket.set(zmq::sockopt::routing_id,
                   is(used, "tcp://") ? self.bytes : marked_local(self).bytes);
    set_send_buffer(socket, used);
    try {
        socket.connect(used);
    } catch (const zmq::error_t& error) {
        throw StartupError("cannot connect to " + endpoint + ": " + why(error));
    }
    return socket;
}

Sent send(zmq::socket_t& socket, const wire::Message& message, const Slice& body, bool compress) {
    bool over_tcp = compress && is(socket.get(zmq::sockopt::last_endpoint), "tcp://");
    return send_message(socket, message, body, over_tcp, nullptr);
}

Sent send_to(zmq::socket_t& socket, Backlog& backlog, const PeerId& peer,
             const wire::Message& message, const Slice& body, bool compress) {
    To to{peer, backlog, message};
    return send_message(socket, message, body, compress && !is_marked_local(peer), &to);
}

namespace {
/// What is left of the message that this frame is of.
void drop_rest(zmq::socket_t& socket, zmq::message_t& frame) {
    while (frame.more()) (void)socket.recv(frame);
}
}  // namespace

std::optional<Incoming> receive(zmq::socket_t& socket, const Ignores& ignores) {
    zmq::message_t frame;
    if (!socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
    Incoming incoming{{}, fail("no header"), {}, {}};
    if (socket.get(zmq::sockopt::type) == static_cast<int>(zmq::socket_type::router)) {
        incoming.from.bytes = frame.to_string();
        if (!frame.more()) return incoming;
        (void)socket.recv(frame);
    }
    // Only the gatekeeper sets this: a plain peer could claim it, so that nobody looks at it there.
    if (const char* user = zmq_msg_gets(frame.handle(), "User-Id")) incoming.user_id = user;
    incoming.header_bytes = frame.size();
    incoming.ignored = ignores && ignores(incoming.from, incoming.user_id);
    if (incoming.ignored) {
        drop_rest(socket, frame);
        return incoming;
    }
    take_over(frame.data<char>());
    auto packed = wire::decode_packed(frame.to_string_view());
    if (packed && *packed) incoming.message = wire::decode((*packed)->header);
    else if (packed) incoming.message = fail(packed->error().text);
    else incoming.message = wire::decode(frame.to_string_view());
    if (!frame.more()) {
        if (packed) incoming.message = fail("a packed message has no body");
        return incoming;
    }
    (void)socket.recv(frame);
    if (frame.more()) {
        incoming.message = fail("a message has two frames at most");
        drop_rest(socket, frame);
        return incoming;
    }
    incoming.body = slice_of(std::move(frame));
    if (packed && incoming.message) {
        auto body = unpack(**packed, incoming.body.view());
        if (body) incoming.body = *std::move(body);
        else incoming.message = fail(body.error().text);
    }
    return incoming;
}

Wakeup::Wakeup() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (fd_ < 0) throw StartupError(std::string("cannot make an eventfd: ") + std::strerror(errno));
}
Wakeup::~Wakeup() { close(fd_); }
void Wakeup::wake() {
    std::uint64_t one = 1;
    (void)!write(fd_, &one, sizeof one);
}
void Wakeup::clear() {
    std::uint64_t count = 0;
    (void)!::read(fd_, &count, sizeof count);
}

void Loop::watch(zmq::socket_t& socket, Callback on_input) {
    entries_.push_back({socket.handle(), -1, std::move(on_input)});
}
void Loop::watch(int fd, Callback on_input) {
    entries_.push_back({nullptr, fd, std::move(on_input)});
}
void Loop::forget(zmq::socket_t& socket) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.socket == socket.handle(); });
}

void Loop::run(const std::function<Time()>& next_wakeup, const Callback& on_tick) {
    while (turn(next_wakeup())) on_tick();
}

// As zmq_poll, with half of its system calls: a socket is asked for its events before the wait, and
// its descriptor tells of news after that. (The descriptor alone is not enough: any call on a
// socket may take its signal away.)
bool Loop::turn(Time until) {
    using std::chrono::ceil, std::chrono::milliseconds;
    items_.assign(1, {stop_.fd(), POLLIN, 0});
    bool waits = true;
    for (const Entry& entry : entries_) {
        bool has_input = entry.socket && (number_of(entry.socket, ZMQ_EVENTS) & ZMQ_POLLIN) != 0;
        int fd = entry.socket ? number_of(entry.socket, ZMQ_FD) : entry.fd;
        items_.push_back({has_input ? -1 : fd, POLLIN, 0});
        waits = waits && !has_input;
    }
    auto wait = std::clamp(ceil<milliseconds>(until - now()), milliseconds(0),
                           ceil<milliseconds>(longest_sleep));
    if (poll_awake(items_, waits ? static_cast<int>(wait.count()) : 0) < 0) {
        if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
        return true;
    }
    if (items_[0].revents != 0) return false;
    // A callback may watch and forget, so those to call are gathered first.
    ready_.clear();
    for (std::size_t i = 1; i < items_.size(); ++i)
        if (items_[i].revents != 0 || items_[i].fd < 0) ready_.push_back(entries_[i - 1].on_input);
    for (const Callback& callback : ready_) callback();
    return true;
}

void Loop::stop() { stop_.wake(); }

SignalReader::SignalReader() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGINT);
    sigaddset(&signals_, SIGTERM);
    apply();
}
void SignalReader::also(int signal) {
    sigaddset(&signals_, signal);
    apply();
}
void SignalReader::apply() {
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    fd_ = signalfd(fd_, &signals_, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) throw StartupError(std::string("cannot make a signalfd: ") + std::strerror(errno));
}
SignalReader::~SignalReader() { close(fd_); }
int SignalReader::read() {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
    return static_cast<int>(info.ssi_signo);
}

}  // namespace fanfold::net
