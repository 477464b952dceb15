#include "shared/net/endpoints.hpp"

#include <unistd.h>

#include <algorithm>

#include "shared/base/machine.hpp"
#include "shared/net/ipc_folder.hpp"

namespace fanfold::net {

namespace {
TcpAddress split_tcp(const std::string& endpoint) {
    std::string rest = endpoint.substr(6);
    auto colon = rest.rfind(':');
    if (colon == std::string::npos) return {rest, ""};
    return {rest.substr(0, colon), rest.substr(colon + 1)};
}
}  // namespace

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
    if (endpoint.starts_with("inproc://") && endpoint.size() > 9) return {};
    if (endpoint.starts_with("ipc://")) {
        if (endpoint.size() == 6) return refuse("has no path");
        if (endpoint[6] == '@' || endpoint[6] == '*')
            return refuse("has no folder, by which it could be closed to other users");
        return {};
    }
    if (!endpoint.starts_with("tcp://")) return refuse("is not an endpoint");
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
    if (!endpoint.starts_with("tcp://")) return endpoint + "-" + std::to_string(offset);
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

std::string advertised(const Advertising& of) {
    if (of.advertise.empty()) return of.bound;
    if (!of.bind.starts_with("tcp://") || !of.advertise.starts_with("tcp://"))
        return neighbour_endpoint(of.advertise, of.offset);
    std::string port = split_tcp(of.bind).port;
    if (port != "*" && port != "0") return neighbour_endpoint(of.advertise, of.offset);
    return "tcp://" + split_tcp(of.advertise).host + ":" + split_tcp(of.bound).port;
}

std::string with_host_name(const std::string& endpoint) {
    auto address = tcp_address(endpoint);
    std::string host = host_name();
    if (!address || !binds_all(address->host) || host == "?") return endpoint;
    return "tcp://" + host + ":" + address->port;
}

std::optional<TcpAddress> tcp_address(const std::string& endpoint) {
    if (!endpoint.starts_with("tcp://")) return std::nullopt;
    return split_tcp(endpoint);
}

bool binds_all(const std::string& host) {
    return host == "*" || host == "0.0.0.0" || host == "[::]" || host == "::" ||
           host == "[::ffff:0.0.0.0]";
}

bool is_local(const std::string& endpoint) {
    if (!endpoint.starts_with("tcp://")) return true;
    std::string host = split_tcp(endpoint).host;
    bool digits = host.find_first_not_of("0123456789.") == std::string::npos;
    return host == "localhost" || host == "[::1]" || host == "lo" ||
           (digits && host.starts_with("127."));
}

std::string choose_endpoint(const std::vector<std::string>& endpoints, const std::string& via) {
    auto first_of = [&](const std::string& scheme) -> std::string {
        for (const auto& endpoint : endpoints)
            if (endpoint.starts_with(scheme)) return endpoint;
        return {};
    };
    if (std::string own = first_of(inproc_endpoint("")); !own.empty()) return own;
    std::string ipc = first_of("ipc://");
    std::string tcp = first_of("tcp://");
    bool is_here = !ipc.empty() && access(ipc.c_str() + 6, W_OK) == 0 &&
                   check_ipc_folder(ipc, IpcFolder::for_connecting);
    if (is_here && (tcp.empty() || via.starts_with("ipc://"))) return ipc;
    if (tcp.empty()) return {};
    TcpAddress address = split_tcp(tcp);
    if (!binds_all(address.host)) return tcp;
    std::string host = via.starts_with("tcp://") ? split_tcp(via).host : "127.0.0.1";
    return "tcp://" + host + ":" + address.port;
}

}  // namespace fanfold::net
