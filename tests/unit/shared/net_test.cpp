
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <vector>
#include <zmq.hpp>

#include "shared/base/wakeup.hpp"
#include "shared/net/awake.hpp"
#include "shared/net/backlog.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;

TEST_SUITE("net") {
    TEST_CASE("Only sockets on loopback have a send buffer of their own") {
        zmq::context_t context;
        auto bound_to = [&](const std::string& endpoint) {
            std::vector<std::string> bound;
            return net::bind(context, zmq::socket_type::pull, {endpoint}, "--bind", bound,
                             {.insecure = true})
                .get(zmq::sockopt::sndbuf);
        };
        auto connected_to = [&](const std::string& endpoint) {
            return net::connect(context, zmq::socket_type::push, endpoint)
                .get(zmq::sockopt::sndbuf);
        };
        for (const char* endpoint : {"tcp://127.0.0.1:*", "tcp://127.1.2.3:*"})
            CHECK(bound_to(endpoint) > 0);
        CHECK(bound_to("tcp://*:*") == -1);
        CHECK(connected_to("tcp://localhost:7999") > 0);
        CHECK(connected_to("tcp://[::1]:7999") > 0);
        CHECK(connected_to("tcp://192.0.2.1:7999") == -1);
    }

    TEST_CASE("Who does not read is sent no more than so much; then, once he has read, more") {
        zmq::context_t context;
        std::vector<std::string> bound;
        net::BoundSocket router =
            net::bind(context, zmq::socket_type::router, {"tcp://127.0.0.1:*"}, "--bind", bound);
        zmq::socket_t reader =
            net::connect(context, zmq::socket_type::dealer, bound.front(), {"creader"});
        zmq::socket_t deaf(context, zmq::socket_type::dealer);
        deaf.set(zmq::sockopt::routing_id, "cdeaf");
        deaf.set(zmq::sockopt::rcvhwm, 1);
        deaf.set(zmq::sockopt::linger, 0);
        deaf.connect(bound.front());
        auto arrives = [](zmq::socket_t& socket) {
            zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
            return zmq::poll(&item, 1, std::chrono::seconds(20)) == 1;
        };
        for (zmq::socket_t* socket : {&reader, &deaf}) {
            net::send(*socket, wire::Heartbeat{});
            REQUIRE(arrives(router));
            net::receive(router);
        }

        net::Backlog backlog;
        const PeerId to{"cdeaf"};
        wire::Message message = wire::Found{.spec = {.title = std::string(1 << 20, 'x')}};
        SUBCASE("answers") {}
        SUBCASE("answers, beside work, of which more may wait") {
            const wire::Message work =
                wire::Assign{.job = {}, .spec = {.title = std::string(1 << 20, 'x')}};
            constexpr int much = 2 * (limits::unread_bytes >> 20);
            for (int i = 0; i < much; ++i)
                CHECK(net::send_to(router, backlog, to, work) == net::Sent::yes);
            CHECK(net::send_to(router, backlog, to, wire::Heartbeat{}) == net::Sent::yes);
            for (int i = 0; i < much + 1; ++i) {
                REQUIRE(arrives(deaf));
                net::receive(deaf);
            }
        }
        constexpr int past =
            3 * (limits::unread_bytes >> 20);  // more than that, and what the kernel takes
        int sent = 0;
        while (sent < past && net::send_to(router, backlog, to, message) == net::Sent::yes) ++sent;
        CHECK(sent >= (limits::unread_bytes >> 20) - 1);
        CHECK(sent < past);
        CHECK(net::send_to(router, backlog, to, message) == net::Sent::unread);
        CHECK(net::send_to(router, backlog, {"creader"}, message) == net::Sent::yes);

        for (int i = 0; i < sent; ++i) {
            REQUIRE(arrives(deaf));
            CHECK(net::receive(deaf)->message.has_value());
        }
        CHECK(net::send_to(router, backlog, to, message) == net::Sent::yes);
        CHECK(arrives(deaf));
    }

    TEST_CASE("What a client is told counts as answers, of whatever kind it is") {
        net::Backlog backlog;
        std::vector<Slice> held;
        const std::string header(1 << 20, 'x');
        while (held.size() < 100) {
            auto one = backlog.hold({"c"}, wire::Forgotten{}, header);
            if (!one) break;
            held.push_back(*std::move(one));
        }
        CHECK(held.size() < limits::unread_bytes >> 20);
        CHECK(backlog.hold({"c"}, wire::Forget{}, header).has_value());  // a gatherer's
    }

    TEST_CASE(
        "A wait that stays awake finds what is there, and sleeps as long as it may when nothing "
        "comes") {
        using namespace std::chrono_literals;
        Wakeup wakeup;
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
