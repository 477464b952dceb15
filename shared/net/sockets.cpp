#include "shared/net/sockets.hpp"

#include <cerrno>
#include <string_view>

#include "shared/base/limits.hpp"
#include "shared/base/result.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/ipc_folder.hpp"

namespace fanfold::net {

namespace {
constexpr int loopback_send_buffer = 512 << 10;

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
        case ENAMETOOLONG: return "its path is too long for a socket";
        default: return error.what();
    }
}

/// For the endpoint that the socket meets next. Over loopback a send buffer grows to megabytes, and
/// what is read from it has left the processor's caches by then; over a network the kernel knows
/// best how much must be on its way.
void set_send_buffer(zmq::socket_t& socket, const std::string& endpoint) {
    socket.set(zmq::sockopt::sndbuf,
               endpoint.starts_with("tcp://") && is_local(endpoint) ? loopback_send_buffer : -1);
}
}  // namespace

zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type) {
    using std::chrono::milliseconds;
    zmq::socket_t socket(context, type);
    socket.set(zmq::sockopt::linger, 0);
    socket.set(zmq::sockopt::sndhwm, 0);  // our credits are the limit
    socket.set(zmq::sockopt::rcvhwm, limits::received_messages);
    socket.set(zmq::sockopt::reconnect_ivl, 50);
    socket.set(zmq::sockopt::reconnect_ivl_max, 1000);
    socket.set(zmq::sockopt::handshake_ivl,
               static_cast<int>(milliseconds(limits::handshake_patience).count()));
    socket.set(zmq::sockopt::backlog, limits::connections_waiting);
    socket.set(zmq::sockopt::ipv6, true);
    return socket;
}

std::string bind_to(zmq::socket_t& socket, const std::string& endpoint, const std::string& option) {
    if (auto closed = check_ipc_folder(endpoint, IpcFolder::for_binding); !closed)
        throw StartupError("cannot bind " + endpoint + ": " + closed.error().text);
    set_send_buffer(socket, endpoint);
    try {
        socket.bind(endpoint);
    } catch (const zmq::error_t& error) {
        throw StartupError("cannot bind " + endpoint + ": " + why(error) +
                           "; choose another with " + option);
    }
    return without_mapping(socket.get(zmq::sockopt::last_endpoint));
}

void connect_to(zmq::socket_t& socket, const std::string& endpoint) {
    if (auto trusted = check_ipc_folder(endpoint, IpcFolder::for_connecting); !trusted)
        throw StartupError("cannot connect to " + endpoint + ": " + trusted.error().text);
    set_send_buffer(socket, endpoint);
    try {
        socket.connect(endpoint);
    } catch (const zmq::error_t& error) {
        throw StartupError("cannot connect to " + endpoint + ": " + why(error));
    }
}

}  // namespace fanfold::net
