#include "shared/net.hpp"

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/awake.hpp"

using namespace fanfold;

TEST_SUITE("net") {
    TEST_CASE("Only sockets on loopback have a send buffer of their own") {
        zmq::context_t context;
        auto bound_to = [&](const std::string& endpoint) {
            std::vector<std::string> bound;
            return net::bind(context, zmq::socket_type::pull, {endpoint}, "--bind", bound, {.insecure = true}).get(zmq::sockopt::sndbuf);
        };
        auto connected_to = [&](const std::string& endpoint) {
            return net::connect(context, zmq::socket_type::push, endpoint).get(zmq::sockopt::sndbuf);
        };
        for (const char* endpoint : {"tcp://127.0.0.1:*", "tcp://127.1.2.3:*"}) CHECK(bound_to(endpoint) > 0);
        CHECK(bound_to("tcp://*:*") == -1);
        CHECK(connected_to("tcp://localhost:7999") > 0);
        CHECK(connected_to("tcp://[::1]:7999") > 0);
        CHECK(connected_to("tcp://192.0.2.1:7999") == -1);
    }

    TEST_CASE("A wait that stays awake finds what is there, and sleeps as long as it may when nothing comes") {
        using namespace std::chrono_literals;
        net::Wakeup wakeup;
        std::vector<pollfd> items{{.fd = wakeup.fd(), .events = POLLIN, .revents = 0}};
        for (int round = 0; round < 3; ++round) {
            wakeup.wake();
            for (int again = 0; again < 3; ++again) {
                CHECK(net::poll_awake(items, 10'000) == 1);
                CHECK((items[0].revents & POLLIN) != 0);
            }
            wakeup.clear();
            auto begin = std::chrono::steady_clock::now();
            CHECK(net::poll_awake(items, 20) == 0);
            CHECK(std::chrono::steady_clock::now() - begin >= 20ms);
            CHECK(net::poll_awake(items, 0) == 0);
        }
    }
}
