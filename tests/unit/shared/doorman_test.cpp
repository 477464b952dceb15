// Connections to a plain bound socket leave the program the files that it needs for itself.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "shared/net/endpoints.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {

constexpr rlim_t most_files = 80;

/// How many are open; as many as may be where not even that can be seen.
rlim_t open_files() {
    std::error_code failed;
    std::filesystem::directory_iterator at("/proc/self/fd", failed);
    if (failed) return most_files;
    return static_cast<rlim_t>(std::distance(at, {}));
}

/// Binds, tells its port, and once it is asked whether a fifth of its files is left to it.
[[noreturn]] void serve(int from_test, int to_test) {
    const rlimit few{.rlim_cur = most_files, .rlim_max = most_files};
    zmq::context_t context;
    std::vector<std::string> bound;
    auto socket =
        net::bind(context, zmq::socket_type::pull, {"tcp://127.0.0.1:*"}, "--bind", bound);
    auto port = static_cast<std::uint16_t>(std::stoul(net::tcp_address(bound.at(0))->port));
    char asked = 0;
    bool good = setrlimit(RLIMIT_NOFILE, &few) == 0 &&
                write(to_test, &port, sizeof port) == sizeof port &&
                read(from_test, &asked, 1) == 1;
    const auto until = std::chrono::steady_clock::now() + 30s;
    while (good && open_files() > most_files - most_files / 5) {
        good = std::chrono::steady_clock::now() < until;
        std::this_thread::yield();
    }
    _exit(good ? 0 : 1);
}

}  // namespace

TEST_CASE(
    "connections past what a program's files allow are closed, and it keeps some for itself") {
    std::array<int, 2> to_child{}, to_test{};
    REQUIRE(pipe(to_child.data()) == 0);
    REQUIRE(pipe(to_test.data()) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) serve(to_child[0], to_test[1]);
    std::uint16_t port = 0;
    REQUIRE(read(to_test[0], &port, sizeof port) == sizeof port);
    std::vector<int> flood;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 150; ++i) {
        flood.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        REQUIRE(flood.back() >= 0);
        (void)::connect(flood.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    }
    CHECK(write(to_child[1], "?", 1) == 1);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    for (int fd : flood) close(fd);
    for (int fd : {to_child[0], to_child[1], to_test[0], to_test[1]}) close(fd);
}
