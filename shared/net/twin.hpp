// Twins: the ipc endpoints that stand beside the tcp endpoints of one host, for peers of the same
// host and user. A program that binds tcp binds a twin to the same socket; a peer that is told of
// the tcp endpoint takes the twin if it is there and somebody listens. Any thread, but for
// use_tcp_alone(): at a program's start.
//
// A twin is a socket in a folder that is this user's own and closed to all others
// ($XDG_RUNTIME_DIR/fanfold, else /tmp/fanfold-sockets-UID): BOOT-NETWORK-HOST-PORT. The boot's id
// and the inode of the network namespace name the host as TCP sees it, so that a folder which
// several hosts or containers share can't lead one to another's; host and port name the listener
// there.
#pragma once

#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/base/result.hpp"

namespace fanfold::net {

/// From now on neither binds nor takes a twin; FANFOLD_TRANSPORT=tcp in the environment says the
/// same.
void use_tcp_alone();
bool uses_tcp_alone();

/// The twins of one socket. Their files are removed when it ends, which must be before the socket
/// does: while the tcp port is held, nobody else's can be there.
class Twins {
public:
    /// Binds a twin of each tcp endpoint in `bound`, to which the socket is bound. Where one can't
    /// be, the log says why, and tcp serves alone.
    Twins(zmq::socket_t& socket, const std::vector<std::string>& bound);
    ~Twins();
    Twins(const Twins&) = delete;
    Twins& operator=(const Twins&) = delete;

    const std::vector<std::string>& endpoints() const { return endpoints_; }

private:
    std::vector<std::string> endpoints_;
};

/// Where a tcp endpoint is reached best: by its twin, if its host is this one and somebody listens
/// there at this moment. Else as it is.
std::string twin_or_itself(const std::string& endpoint);

/// Whether somebody listens at an ipc endpoint at this moment.
bool answers(const std::string& ipc_endpoint);

/// The folder, made if it is not there; an Error if it is not this user's own, or open to others.
Result<std::string> private_folder(const std::string& path);

/// The paths at which a twin of the tcp endpoint could be, in this folder; none if its host is not
/// this one.
std::vector<std::string> twin_paths(const std::string& folder, const std::string& endpoint);

}  // namespace fanfold::net
