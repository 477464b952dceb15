// Endpoints as text: those that users write, those that peers are told, those that a program takes.
// Pure but for inproc_endpoint()'s token and with_host_name(); any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold::net {

/// An inproc endpoint that only this process can use: it carries a token drawn at its start.
std::string inproc_endpoint(const std::string& name);

/// Checks the form of an endpoint that a user gave (tcp://HOST:PORT, ipc://PATH, inproc://NAME);
/// `option` names it in the error. tcp may have the port `*` or `0` when it is for binding.
Result<void> check_endpoint(const std::string& endpoint, const std::string& option,
                            bool for_binding);

/// The same host with the port `offset` higher; ipc and inproc get "-offset" behind them; a
/// wildcard port stays one.
std::string neighbour_endpoint(const std::string& endpoint, int offset);
std::vector<std::string> neighbour_endpoints(const std::vector<std::string>& endpoints, int offset);

/// What peers are told of a bound socket.
struct Advertising {
    const std::string& bind;       // the endpoint that the user gave
    const std::string& bound;      // what became of it, or of its neighbour by `offset`
    const std::string& advertise;  // what the user says with --advertise; empty: nothing
    int offset = 0;
};
/// As bound, or as the user says. The ports of --advertise follow those of --bind, unless that has
/// a wildcard port: then those that were drawn.
std::string advertised(const Advertising& of);

/// A tcp endpoint bound to all addresses, as other hosts reach it: by this host's name. Any other
/// as it is.
std::string with_host_name(const std::string& endpoint);

/// A tcp endpoint's host and port, as they are written; nothing for any other.
struct TcpAddress {
    std::string host;
    std::string port;
};
std::optional<TcpAddress> tcp_address(const std::string& endpoint);
/// Whether a host stands for all addresses.
bool binds_all(const std::string& host);
/// Whether an endpoint is reached from this host alone: ipc, inproc, and tcp on a loopback address.
bool is_local(const std::string& endpoint);

/// The one of the endpoints that this process should use: its own inproc, else ipc if `via`, the
/// broker's endpoint that this process uses, is ipc too, else tcp, else ipc of this host. A tcp
/// endpoint bound to all addresses (0.0.0.0) gets the host of `via`. Empty when none serves.
std::string choose_endpoint(const std::vector<std::string>& endpoints, const std::string& via);

}  // namespace fanfold::net
