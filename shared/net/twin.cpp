#include "shared/net/twin.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

#include "shared/log/logging.hpp"
#include "shared/net/net.hpp"

namespace fanfold::net {

namespace {
constexpr std::size_t longest_path = sizeof(sockaddr_un::sun_path) - 1;

std::atomic<bool> tcp_alone = false;

std::string numeric(const sockaddr* address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    const void* bytes = nullptr;
    if (address->sa_family == AF_INET)
        bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
    else if (address->sa_family == AF_INET6)
        bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
    if (!bytes || !inet_ntop(address->sa_family, bytes, text.data(), text.size())) return {};
    return text.data();
}

/// Whether a numeric address is one of this host's own.
bool is_own(const std::string& address) {
    if (address.starts_with("127.") || address == "::1") return true;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return false;
    std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
    for (const ifaddrs* one = list; one; one = one->ifa_next)
        if (one->ifa_addr && numeric(one->ifa_addr) == address) return true;
    return false;
}

/// The numeric addresses of this host that the name stands for; other hosts' names are not looked
/// up.
std::vector<std::string> own_addresses(std::string host) {
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    if (host == "localhost") return {"127.0.0.1", "::1"};
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    bool is_number = inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
                     inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
    if (is_number)
        return is_own(host) ? std::vector<std::string>{host} : std::vector<std::string>{};
    std::array<char, 256> own_name{};
    if (gethostname(own_name.data(), own_name.size() - 1) != 0 || host != own_name.data())
        return {};
    addrinfo* list = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, nullptr, &list) != 0) return {};
    std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
    std::vector<std::string> addresses;
    for (const addrinfo* one = list; one; one = one->ai_next)
        if (std::string address = numeric(one->ai_addr); !address.empty() && is_own(address))
            addresses.push_back(address);
    return addresses;
}

/// BOOT-NETWORK, which names this host as TCP sees it; empty where the system doesn't tell.
const std::string& host_mark() {
    static const std::string mark = [] {
        std::string boot;
        std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
        struct stat network {};
        if (boot.size() < 8 || stat("/proc/self/ns/net", &network) != 0) return std::string{};
        return boot.substr(0, 8) + "-" + std::to_string(network.st_ino);
    }();
    return mark;
}

std::string path_in(const std::string& folder, const std::string& host, const std::string& port) {
    std::string name = host;  // an IPv6 address has colons
    std::replace(name.begin(), name.end(), ':', '_');
    return folder + "/" + host_mark() + "-" + name + "-" + port;
}

std::vector<std::string> folders() {
    std::vector<std::string> result;
    const char* runtime = std::getenv(
        "XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe): nothing here changes the environment
    if (runtime && runtime[0] == '/') result.push_back(std::string(runtime) + "/fanfold");
    result.push_back("/tmp/fanfold-sockets-" + std::to_string(geteuid()));
    return result;
}

Result<void> is_private(const std::string& path) {
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) return fail(path + ": " + std::strerror(errno));
    if (!S_ISDIR(found.st_mode)) return fail(path + " is not a folder; remove it");
    if (found.st_uid != geteuid()) return fail(path + " belongs to another user");
    if ((found.st_mode & 0077) != 0)
        return fail(path + " is open to other users; close it with chmod 700");
    return {};
}

bool is_own_socket(const std::string& path) {
    struct stat found {};
    return lstat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode) && found.st_uid == geteuid();
}

/// The first folder that serves; else why the last one doesn't.
Result<std::string> folder_for_binding() {
    if (host_mark().empty())
        return fail("/proc does not tell which boot and which network this is");
    Result<std::string> folder = fail("no folder for them");
    for (const std::string& path : folders()) {
        folder = private_folder(path);
        if (folder) return folder;
    }
    return folder;
}

void log_without(const std::string& endpoint, const std::string& why) {
    write_log("net", {.level = Level::warn,
                      .what = "no ipc beside TCP for peers of this host",
                      .detail = endpoint + ": " + why});
}
}  // namespace

void use_tcp_alone() { tcp_alone = true; }

bool uses_tcp_alone() {
    static const bool by_environment = [] {
        const char* transport =
            std::getenv("FANFOLD_TRANSPORT");  // NOLINT(concurrency-mt-unsafe): nothing here
                                               // changes the environment
        return transport && std::string_view(transport) == "tcp";
    }();
    return by_environment || tcp_alone;
}

Result<std::string> private_folder(const std::string& path) {
    if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
        return fail("cannot make " + path + ": " + std::strerror(errno));
    if (auto sound = is_private(path); !sound) return fail(sound.error().text);
    return path;
}

bool answers(const std::string& ipc_endpoint) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string path = ipc_endpoint.substr(6);
    if (path.empty() || path.size() > longest_path) return false;
    std::memcpy(address.sun_path, path.data(), path.size());
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    bool connected =
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    close(fd);
    return connected;
}

std::vector<std::string> twin_paths(const std::string& folder, const std::string& endpoint) {
    auto address = tcp_address(endpoint);
    if (!address || host_mark().empty()) return {};
    std::vector<std::string> paths;
    auto hosts = own_addresses(address->host);
    paths.reserve(hosts.size() + 1);
    for (const std::string& host : hosts) paths.push_back(path_in(folder, host, address->port));
    if (!hosts.empty() || binds_all(address->host))
        paths.push_back(path_in(folder, "any", address->port));
    return paths;
}

Twins::Twins(zmq::socket_t& socket, const std::vector<std::string>& bound) {
    for (const std::string& endpoint : bound) {
        if (uses_tcp_alone() || !tcp_address(endpoint)) continue;
        auto folder = folder_for_binding();
        if (!folder) {
            log_without(endpoint, folder.error().text);
            continue;
        }
        auto paths = twin_paths(*folder, endpoint);
        if (paths.empty() || paths.front().size() > longest_path) {
            log_without(endpoint, paths.empty() ? "its address is not known as one of this host's"
                                                : paths.front() + " is too long a path");
            continue;
        }
        // The tcp port is ours, so that nobody listens there any more: what lies there is left of
        // an earlier life, and libzmq replaces it.
        try {
            socket.bind("ipc://" + paths.front());
            endpoints_.push_back("ipc://" + paths.front());
        } catch (const zmq::error_t& error) {
            log_without(endpoint, "cannot bind ipc://" + paths.front() + ": " + error.what());
        }
    }
}

Twins::~Twins() {
    for (const std::string& endpoint : endpoints_) unlink(endpoint.c_str() + 6);
}

std::string twin_or_itself(const std::string& endpoint) {
    if (uses_tcp_alone() || !tcp_address(endpoint)) return endpoint;
    for (const std::string& folder : folders()) {
        if (access(folder.c_str(), F_OK) != 0) continue;
        if (auto sound = is_private(folder); !sound) {
            write_log("net", {.what = "ipc beside TCP is not used", .detail = sound.error().text});
            continue;
        }
        for (const std::string& path : twin_paths(folder, endpoint))
            if (is_own_socket(path) && answers("ipc://" + path)) return "ipc://" + path;
    }
    return endpoint;
}

}  // namespace fanfold::net
