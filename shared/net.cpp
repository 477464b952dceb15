#include "shared/net.hpp"

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

#include "shared/codec.hpp"

namespace fanfold::net {

namespace {
constexpr std::size_t copied_below = 8 << 10;  // libzmq copies a frame's first 8 KiB anyway

std::random_device& device() {
    static thread_local std::random_device source;
    return source;
}

struct Host {
    std::string name;
    std::string port;
};
Host split_tcp(const std::string& endpoint) {
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
    if (!endpoint.starts_with(mapped) || end == std::string::npos || endpoint.find('.') > end) return endpoint;
    return "tcp://" + endpoint.substr(mapped.size(), end - mapped.size()) + endpoint.substr(end + 1);
}
bool binds_all(const std::string& host) { return host == "*" || host == "0.0.0.0" || host == "[::]" || host == "::"; }

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

// libzmq hands frames from thread to thread by means that ThreadSanitizer does not see: here it is told.
#if defined(__SANITIZE_THREAD__)
void hand_over(const char* bytes) { __tsan_release(const_cast<char*>(bytes)); }
void take_over(const char* bytes) { __tsan_acquire(const_cast<char*>(bytes)); }
#else
void hand_over(const char*) {}
void take_over(const char*) {}
#endif

zmq::message_t frame_of(const Slice& bytes) {
    if (bytes.size() < copied_below) return {bytes.data(), bytes.size()};
    hand_over(bytes.data());
    // The holder keeps the bytes alive until libzmq's own thread is done with them.
    auto holder = std::make_unique<Slice>(bytes);
    auto release = [](void*, void* hint) { delete static_cast<Slice*>(hint); };
    return {const_cast<char*>(bytes.data()), bytes.size(), release, holder.release()};
}

Sent send_frames(zmq::socket_t& socket, const wire::Message& message, const Slice& body, const PeerId* to) {
    constexpr auto now = zmq::send_flags::dontwait;
    constexpr auto more = now | zmq::send_flags::sndmore;
    try {
        if (to && !socket.send(zmq::buffer(to->bytes), more)) return Sent::would_block;
        std::string header = wire::encode(message);
        if (!socket.send(zmq::buffer(header), body.empty() ? now : more)) return Sent::would_block;
        if (!body.empty() && !socket.send(frame_of(body), now)) return Sent::would_block;
        return Sent::yes;
    } catch (const zmq::error_t& error) {
        if (error.num() == EHOSTUNREACH) return Sent::unroutable;
        throw;
    }
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
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch());
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

Result<void> check_endpoint(const std::string& endpoint, const std::string& option, bool for_binding) {
    auto refuse = [&](const std::string& reason) {
        return fail(option + ": '" + endpoint + "' " + reason + "; write it as tcp://HOST:PORT or ipc:///PATH");
    };
    if (is(endpoint, "inproc://") && endpoint.size() > 9) return {};
    if (is(endpoint, "ipc://")) {
        if (endpoint.size() == 6) return refuse("has no path");
        return {};
    }
    if (!is(endpoint, "tcp://")) return refuse("is not an endpoint");
    Host host = split_tcp(endpoint);
    if (host.name.empty()) return refuse("has no host");
    if (host.port.empty()) return refuse("has no port");
    if (host.port == "*" && for_binding) return {};
    bool digits = std::all_of(host.port.begin(), host.port.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!digits || host.port.size() > 5 || std::stoi(host.port) > 65535 || (host.port == "0" && !for_binding))
        return refuse("has no usable port");
    return {};
}

std::string neighbour_endpoint(const std::string& endpoint, int offset) {
    if (!is(endpoint, "tcp://")) return endpoint + "-" + std::to_string(offset);
    Host host = split_tcp(endpoint);
    if (host.port == "*" || host.port == "0") return endpoint;
    return "tcp://" + host.name + ":" + std::to_string(std::stoi(host.port) + offset);
}

void require(const Result<void>& result) {
    if (!result) throw StartupError(result.error().text);
}

std::string advertised(const std::string& bind, const std::string& bound, const std::string& advertise, int offset) {
    if (advertise.empty()) return bound;
    if (!is(bind, "tcp://") || !is(advertise, "tcp://")) return neighbour_endpoint(advertise, offset);
    std::string port = split_tcp(bind).port;
    if (port != "*" && port != "0") return neighbour_endpoint(advertise, offset);
    return "tcp://" + split_tcp(advertise).name + ":" + split_tcp(bound).port;
}

std::string with_host_name(const std::string& endpoint) {
    if (!is(endpoint, "tcp://")) return endpoint;
    Host host = split_tcp(endpoint);
    std::array<char, 256> name{};
    if (!binds_all(host.name) || gethostname(name.data(), name.size() - 1) != 0) return endpoint;
    return "tcp://" + std::string(name.data()) + ":" + host.port;
}

std::string choose_endpoint(const std::vector<std::string>& endpoints, const std::string& via) {
    const std::string own = inproc_endpoint("");
    for (const auto& endpoint : endpoints)
        if (is(endpoint, own.c_str())) return endpoint;
    for (const auto& endpoint : endpoints)
        if (is(endpoint, "ipc://") && access(endpoint.c_str() + 6, W_OK) == 0) return endpoint;
    for (const auto& endpoint : endpoints) {
        if (!is(endpoint, "tcp://")) continue;
        Host host = split_tcp(endpoint);
        if (!binds_all(host.name)) return endpoint;
        if (is(via, "tcp://")) return "tcp://" + split_tcp(via).name + ":" + host.port;
        return "tcp://127.0.0.1:" + host.port;
    }
    return {};
}

zmq::socket_t bind(zmq::context_t& context, zmq::socket_type type, const std::vector<std::string>& endpoints, const std::string& option,
                   std::vector<std::string>& bound) {
    zmq::socket_t socket(context, type);
    set_defaults(socket);
    socket.set(zmq::sockopt::maxmsgsize, static_cast<std::int64_t>(limits::body_bytes));
    if (type == zmq::socket_type::router) socket.set(zmq::sockopt::router_mandatory, true);
    for (const auto& endpoint : endpoints) {
        try {
            socket.bind(endpoint);
        } catch (const zmq::error_t& error) {
            throw StartupError("cannot bind " + endpoint + ": " + why(error) + "; choose another with " + option);
        }
        bound.push_back(without_mapping(socket.get(zmq::sockopt::last_endpoint)));
    }
    return socket;
}

zmq::socket_t connect(zmq::context_t& context, zmq::socket_type type, const std::string& endpoint, const PeerId& self) {
    zmq::socket_t socket(context, type);
    set_defaults(socket);
    if (!self.bytes.empty()) socket.set(zmq::sockopt::routing_id, self.bytes);
    try {
        socket.connect(endpoint);
    } catch (const zmq::error_t& error) {
        throw StartupError("cannot connect to " + endpoint + ": " + why(error));
    }
    return socket;
}

Sent send(zmq::socket_t& socket, const wire::Message& message, const Slice& body) { return send_frames(socket, message, body, nullptr); }

Sent send_to(zmq::socket_t& socket, const PeerId& to, const wire::Message& message, const Slice& body) {
    return send_frames(socket, message, body, &to);
}

std::optional<Incoming> receive(zmq::socket_t& socket) {
    zmq::message_t frame;
    if (!socket.recv(frame, zmq::recv_flags::dontwait)) return std::nullopt;
    Incoming incoming{{}, fail("no header"), {}};
    if (socket.get(zmq::sockopt::type) == static_cast<int>(zmq::socket_type::router)) {
        incoming.from.bytes = frame.to_string();
        if (!frame.more()) return incoming;
        (void)socket.recv(frame);
    }
    incoming.message = wire::decode(frame.to_string_view());
    if (!frame.more()) return incoming;
    (void)socket.recv(frame);
    bool too_many = frame.more();
    incoming.body = slice_of(std::move(frame));
    while (too_many) {
        zmq::message_t rest;
        (void)socket.recv(rest);
        incoming.message = fail("a message has two frames at most");
        too_many = rest.more();
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

void Loop::watch(zmq::socket_t& socket, Callback on_input) { entries_.push_back({socket.handle(), -1, std::move(on_input)}); }
void Loop::watch(int fd, Callback on_input) { entries_.push_back({nullptr, fd, std::move(on_input)}); }
void Loop::forget(zmq::socket_t& socket) {
    std::erase_if(entries_, [&](const Entry& entry) { return entry.socket == socket.handle(); });
}

void Loop::run(const std::function<Time()>& next_wakeup, const Callback& on_tick) {
    using std::chrono::ceil, std::chrono::milliseconds;
    std::vector<zmq::pollitem_t> items;
    std::vector<Callback> ready;
    for (;;) {
        items.assign(1, {nullptr, stop_.fd(), ZMQ_POLLIN, 0});
        for (const Entry& entry : entries_) items.push_back({entry.socket, entry.fd, ZMQ_POLLIN, 0});
        auto wait = std::clamp(ceil<milliseconds>(next_wakeup() - now()), milliseconds(0), milliseconds(250));
        try {
            zmq::poll(items, wait);
        } catch (const zmq::error_t& error) {
            if (error.num() != EINTR) throw;
            continue;
        }
        if (items[0].revents != 0) break;
        // A callback may watch and forget, so those to call are gathered first.
        ready.clear();
        for (std::size_t i = 1; i < items.size(); ++i)
            if (items[i].revents != 0) ready.push_back(entries_[i - 1].on_input);
        for (const Callback& callback : ready) callback();
        on_tick();
    }
}

void Loop::stop() { stop_.wake(); }

SignalReader::SignalReader() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    fd_ = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd_ < 0) throw StartupError(std::string("cannot make a signalfd: ") + std::strerror(errno));
}
SignalReader::~SignalReader() { close(fd_); }
int SignalReader::read() {
    signalfd_siginfo info{};
    if (::read(fd_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return 0;
    return static_cast<int>(info.ssi_signo);
}

}  // namespace fanfold::net
