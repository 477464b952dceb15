#include "shared/security/arrivals.hpp"

#include <arpa/inet.h>
#include <linux/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/limits.hpp"
#include "shared/log/logging.hpp"
#include "shared/security/handshake.hpp"

namespace fanfold::net {

namespace {

/// Bound sockets speak IPv6 (libzmq's ipv6 option), so IPv4 comes as mapped. Nothing: not over TCP,
/// or gone already.
std::optional<sockaddr_in6> peer_of(int fd) {
    sockaddr_in6 peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return std::nullopt;
    if (peer.sin6_family != AF_INET6 && peer.sin6_family != AF_INET) return std::nullopt;
    return peer;
}

bool is_same(const sockaddr_in6& one, const sockaddr_in6& other) {
    return std::memcmp(&one, &other, sizeof one) == 0;
}

/// But for the port.
bool is_of_one_address(const sockaddr_in6& one, const sockaddr_in6& other) {
    if (one.sin6_family == AF_INET)
        return reinterpret_cast<const sockaddr_in&>(one).sin_addr.s_addr ==
               reinterpret_cast<const sockaddr_in&>(other).sin_addr.s_addr;
    return IN6_ARE_ADDR_EQUAL(&one.sin6_addr, &other.sin6_addr);
}

std::string address_of(const sockaddr_in6& peer) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (peer.sin6_family == AF_INET)
        inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text.data(),
                  text.size());
    else inet_ntop(AF_INET6, &peer.sin6_addr, text.data(), text.size());
    std::string_view address = text.data();
    constexpr std::string_view mapped = "::ffff:";
    if (address.starts_with(mapped)) address.remove_prefix(mapped.size());
    return std::string(address);
}

/// Descriptors are handed out from the lowest: this one is among the last.
bool is_among_the_last(int fd) {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return false;
    const rlim_t spare = std::min<rlim_t>(limits::spare_descriptors, limit.rlim_cur / 4);
    return static_cast<rlim_t>(fd) + spare >= limit.rlim_cur;
}

/// Over whatever transport; what is gone already may be another file by now.
bool is_connection(int fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
}

enum class State { waiting, sends_too_much, over };

/// A socket's last word in a handshake makes what it has sent longer than all before: who has
/// acknowledged that has proved its key.
State state_of(int fd, const sockaddr_in6& peer) {
    auto now = peer_of(fd);
    if (!now || !is_same(*now, peer)) return State::over;
    tcp_info info{};
    socklen_t size = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return State::over;
    if (info.tcpi_bytes_acked > limits::handshake_bytes) return State::over;
    return info.tcpi_bytes_received > limits::arrival_bytes ? State::sends_too_much
                                                            : State::waiting;
}

}  // namespace

void Arrivals::read(zmq::socket_t& news, Time now) {
    for (int i = 0; i < limits::messages_a_turn; ++i) {
        auto event = read_event(news);
        if (!event) return;
        if (event->number == ZMQ_EVENT_ACCEPTED) add(event->value, now);
    }
}

void Arrivals::add(int fd, Time now) {
    std::erase_if(waiting_, [&](const Arrival& earlier) { return earlier.fd == fd; });
    auto peer = peer_of(fd);
    if (is_among_the_last(fd) && is_connection(fd))
        return close(fd, peer ? address_of(*peer) : "",
                     "this program may open no more files; raise its limit (ulimit -n, or "
                     "LimitNOFILE= of its service)",
                     now);
    if (!peer || rule_ == Rule::any_may_stay) return;
    if (waiting_.empty()) next_look_ = now;
    waiting_.push_back({.fd = fd, .peer = *peer});
    shorten([&](const Arrival& other) { return is_of_one_address(*peer, other.peer); },
            limits::arrivals_of_address, "too many of one address have not proved a key", now);
    shorten([](const Arrival&) { return true; }, limits::arrivals, "too many have not proved a key",
            now);
}

template <class Counts>
void Arrivals::shorten(Counts counts, std::size_t most, const char* why, Time now) {
    if (static_cast<std::size_t>(std::ranges::count_if(waiting_, counts)) <= most) return;
    auto eldest = std::ranges::find_if(waiting_, counts);
    if (state_of(eldest->fd, eldest->peer) == State::over) waiting_.erase(eldest);
    else close(eldest, why, now);
}

void Arrivals::look(Time now) {
    if (now < next_look_) return;
    next_look_ = now + limits::arrivals_interval;
    for (auto it = waiting_.begin(); it != waiting_.end();) {
        switch (state_of(it->fd, it->peer)) {
            case State::waiting: ++it; break;
            case State::over: it = waiting_.erase(it); break;
            case State::sends_too_much:
                it = close(it, "it sent much without proving a key", now);
                break;
        }
    }
}

Arrivals::Waiting::iterator Arrivals::close(Waiting::iterator arrival, const char* why, Time now) {
    close(arrival->fd, address_of(arrival->peer), why, now);
    return waiting_.erase(arrival);
}

/// libzmq reads the end of it, and closes it.
void Arrivals::close(int fd, const std::string& whose, const char* why, Time now) {
    const linger at_once{.l_onoff = 1, .l_linger = 0};  // nothing of it stays in the system
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    shutdown(fd, SHUT_RDWR);
    auto more = lines_.take(now);
    if (!more) return;
    std::string detail = why;
    if (*more > 0) detail += ", and " + std::to_string(*more) + " more since the last line";
    write_log(component_, {.level = Level::warn,
                           .what = "a connection is closed",
                           .peer = whose,
                           .detail = std::move(detail)});
}

}  // namespace fanfold::net
