// Long bodies in parts, over real sockets and by hand.
#include <doctest/doctest.h>

#include <array>

#include "shared/net/parts.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {
const PeerId alice{"alice"}, bob{"bob"};

wire::Part first_part(std::uint64_t bytes) { return {.body_bytes = bytes, .header = "h"}; }
wire::Part next_part(std::uint64_t bytes) { return {.body_bytes = bytes}; }
}  // namespace

TEST_CASE("parts: a body that comes in parts is what it was, and each part is seen") {
    zmq::context_t context;
    std::vector<std::string> bound;
    auto router =
        net::bind(context, zmq::socket_type::router, {"tcp://127.0.0.1:*"}, "--bind", bound);
    auto dealer = net::connect(context, zmq::socket_type::dealer, bound.front(), PeerId{"me"});
    std::string body;
    for (std::size_t i = 0; body.size() < 500'000; ++i) body += std::to_string(i);
    wire::Done done{.failures = {{JobId{}, {{.index = 7, .output_bytes = body.size()}}}}};
    net::Parts parts;
    for (bool compress : {false, true}) {
        net::send(dealer, done, Slice::copy(body), {.compress = compress, .in_parts = true});
        net::send(dealer, wire::Heartbeat{.handled = 3});
        int seen = 0;
        for (bool whole = false; !whole; ++seen) {
            std::array<zmq::pollitem_t, 1> items{{{router.handle(), 0, ZMQ_POLLIN, 0}}};
            REQUIRE(zmq::poll(items.data(), items.size(), 20s) == 1);
            auto incoming = net::receive_packed(router, &parts);
            REQUIRE(incoming);
            REQUIRE(incoming->message);
            REQUIRE(std::holds_alternative<wire::Done>(*incoming->message));
            CHECK(incoming->from.bytes == "me");
            whole = !incoming->is_part;
            if (!whole) continue;
            net::unpack(*incoming);
            CHECK(incoming->body.view() == body);
        }
        CHECK(seen >= (compress ? 2 : 8));
        std::array<zmq::pollitem_t, 1> items{{{router.handle(), 0, ZMQ_POLLIN, 0}}};
        REQUIRE(zmq::poll(items.data(), items.size(), 20s) == 1);
        auto heartbeat = net::receive(router, &parts);
        REQUIRE(heartbeat->message);
        CHECK(std::holds_alternative<wire::Heartbeat>(*heartbeat->message));
    }
}

TEST_CASE("parts: where silence does not count, none is taken") {
    zmq::context_t context;
    std::vector<std::string> bound;
    auto pull = net::bind(context, zmq::socket_type::pull, {"tcp://127.0.0.1:*"}, "--bind", bound);
    auto push = net::connect(context, zmq::socket_type::push, bound.front());
    net::send(push, wire::Results{}, Slice::take(std::string(300'000, 'x')), {.in_parts = true});
    std::array<zmq::pollitem_t, 1> items{{{pull.handle(), 0, ZMQ_POLLIN, 0}}};
    REQUIRE(zmq::poll(items.data(), items.size(), 20s) == 1);
    CHECK_FALSE(net::receive(pull)->message);
}

TEST_CASE("parts: those of two peers do not mix, and what is interrupted is lost") {
    net::Parts parts;
    const Time now{1h};
    CHECK_FALSE(parts.take(alice, first_part(6), "abc", now)->whole);
    CHECK_FALSE(parts.take(bob, first_part(4), "12", now)->whole);
    auto whole = parts.take(alice, next_part(6), "def", now);
    REQUIRE(whole);
    CHECK(whole->whole);
    CHECK(whole->header == "h");
    CHECK(whole->body.view() == "abcdef");
    parts.drop(bob);
    CHECK_FALSE(parts.take(bob, next_part(4), "34", now));
    // A message begins anew where its connection broke.
    CHECK_FALSE(parts.take(bob, first_part(4), "12", now)->whole);
    CHECK_FALSE(parts.take(bob, first_part(4), "56", now)->whole);
    CHECK(parts.take(bob, next_part(4), "78", now)->body.view() == "5678");
}

TEST_CASE("parts: what claims too much, or has nothing in it, is refused") {
    net::Parts parts;
    const Time now{1h};
    CHECK_FALSE(parts.take(alice, first_part(limits::body_bytes + 1), "abc", now));
    CHECK_FALSE(parts.take(alice, first_part(3), "", now));
    CHECK_FALSE(parts.take(alice, first_part(3), "abcd", now));
    CHECK_FALSE(parts.take(alice, first_part(4), "ab", now)->whole);
    CHECK_FALSE(parts.take(alice, next_part(4), "abc", now));
    CHECK_FALSE(parts.take(alice, next_part(4), "cd", now));  // it is over
    // The half message of a peer that is gone goes, when another begins.
    CHECK_FALSE(parts.take(alice, first_part(4), "ab", now)->whole);
    CHECK_FALSE(parts.take(bob, first_part(4), "12", now + limits::part_patience + 1s)->whole);
    CHECK_FALSE(parts.take(alice, next_part(4), "cd", now + limits::part_patience + 1s));
}
