// Sockets with our defaults, bound or connected without keys. Those with keys are made by
// shared/security/secured_sockets.hpp, on top of this. On the thread of the socket.
#pragma once

#include <string>
#include <zmq.hpp>

namespace fanfold::net {

zmq::socket_t make_socket(zmq::context_t& context, zmq::socket_type type);

/// Returns the endpoint with wildcards resolved. Throws StartupError naming the endpoint, the
/// reason, and `option` as the way out.
std::string bind_to(zmq::socket_t& socket, const std::string& endpoint, const std::string& option);

/// Throws StartupError for an endpoint that ZeroMQ does not take, or whose folder is not to be
/// trusted (ipc_folder.hpp).
void connect_to(zmq::socket_t& socket, const std::string& endpoint);

}  // namespace fanfold::net
