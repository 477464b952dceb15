#include "shared/security/gatekeeper.hpp"

#include <doctest/doctest.h>

#include <array>

#include "shared/base/machine.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/net/transfer.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/secured_sockets.hpp"

using namespace fanfold;

namespace {
using News = net::HandshakeWatch::News;

bool has_input(zmq::socket_t& socket,
               std::chrono::milliseconds at_most = std::chrono::seconds(20)) {
    std::array<zmq::pollitem_t, 1> items{{{socket.handle(), 0, ZMQ_POLLIN, 0}}};
    return zmq::poll(items.data(), items.size(), at_most) == 1;
}

/// A bound ROUTER behind a gatekeeper.
struct Door {
    explicit Door(bool inproc = false) {
        if (inproc)
            endpoints.push_back(net::inproc_endpoint("door-" + std::to_string(random_number())));
        gatekeeper.emplace(
            context,
            net::Gatekeeper::Options{.own = own, .component = "test", .inproc_is_trusted = inproc});
        endpoints.emplace_back("tcp://127.0.0.1:*");
        socket = net::bind(context, zmq::socket_type::router, endpoints, "--bind", bound,
                           {.gatekeeper = &*gatekeeper});
    }
    void let_in(const KeyPair& pair, const std::string& user, std::uint8_t roles) {
        allowed.push_back({.public_key = pair.public_key, .user = user, .roles = roles});
        gatekeeper->replace(allowed);
    }
    net::Incoming receive() {
        REQUIRE(has_input(socket));
        auto incoming = net::receive(socket);
        REQUIRE(incoming);
        return *std::move(incoming);
    }

    zmq::context_t context;
    KeyPair own = make_key_pair();
    std::vector<std::string> endpoints;
    std::vector<std::string> bound;
    std::vector<wire::AllowedKey> allowed;
    std::optional<net::Gatekeeper> gatekeeper;
    net::BoundSocket socket;
};

/// Somebody who connects, and what becomes of it.
struct Knock {
    Knock(Door& door, const KeyPair* pair, const std::string& server) {
        net::Proof proof{.own = pair, .server = server, .watch = &watch};
        socket = net::connect(door.context, zmq::socket_type::dealer, door.bound.back(), {}, proof);
    }
    News news() {
        std::optional<News> news;
        while (!news) {  // not every input is one
            REQUIRE(has_input(watch->socket()));
            news = watch->read();
        }
        return *news;
    }

    zmq::socket_t socket;
    std::optional<net::HandshakeWatch> watch;
};
}  // namespace

TEST_CASE("who is in the table gets in, and the connection says who it is") {
    Door door;
    KeyPair ada = make_key_pair();
    door.let_in(ada, "ada", 1);
    Knock knock(door, &ada, door.own.public_key);
    CHECK(knock.news() == News::accepted);
    net::send(knock.socket, wire::Bye{});
    auto incoming = door.receive();
    CHECK(incoming.user_id == ada.public_key);
    CHECK(door.gatekeeper->sender_of(incoming.user_id) == Sender{"ada", {1}, ada.public_key});
    CHECK(door.gatekeeper->admit(incoming)->user == "ada");

    net::send(knock.socket, wire::Done{});
    auto denied = door.gatekeeper->admit(door.receive());
    REQUIRE_FALSE(denied);
    CHECK(denied.error().sender.user == "ada");
    CHECK(denied.error().what == std::string("Done"));

    // The key is taken out of the table: the connection is still there, and nothing that comes by
    // it counts.
    door.gatekeeper->replace({});
    net::send(knock.socket, wire::Bye{});
    auto removed = door.gatekeeper->admit(door.receive());
    REQUIRE_FALSE(removed);
    CHECK(removed.error().sender == Sender{"", {0}, ada.public_key});
}

TEST_CASE("strangers, the plain, and those who expect another key stay outside") {
    Door door;
    KeyPair ada = make_key_pair();
    KeyPair stranger = make_key_pair();
    door.let_in(ada, "ada", 15);
    CHECK(Knock(door, &stranger, door.own.public_key).news() == News::key_refused);
    CHECK(door.gatekeeper->refused() == 1);
    CHECK(Knock(door, nullptr, "").news() == News::not_understood);
    CHECK(Knock(door, &ada, stranger.public_key).news() == News::broken_off);
    CHECK_FALSE(has_input(door.socket, std::chrono::milliseconds(0)));
}

TEST_CASE("who knocks before there is a table comes again, and gets in then") {
    Door door;
    KeyPair ada = make_key_pair();
    Knock knock(door, &ada, door.own.public_key);
    CHECK(knock.news() == News::broken_off);
    door.let_in(ada, "ada", 1);
    CHECK(knock.news() == News::accepted);
    CHECK(door.gatekeeper->refused() == 0);
}

TEST_CASE("over inproc everything is plain, and trusted where that is said") {
    Door door(true);
    auto inside = net::connect(door.context, zmq::socket_type::dealer, door.bound.front());
    net::send(inside, wire::Done{});
    auto incoming = door.receive();
    CHECK(incoming.user_id.empty());
    CHECK(door.gatekeeper->admit(incoming) == Sender{});
    Door other;
    other.gatekeeper->replace({});
    CHECK_FALSE(other.gatekeeper->sender_of(""));
}

TEST_CASE("a door that lets strangers in is found out") {
    zmq::context_t context;
    KeyPair own = make_key_pair();
    net::Gatekeeper gatekeeper(context, {.own = own, .component = "test"});
    // A CURVE server in a context without a gatekeeper lets everybody in.
    zmq::context_t open;
    zmq::socket_t socket(open, zmq::socket_type::pull);
    socket.set(zmq::sockopt::curve_server, true);
    socket.set(zmq::sockopt::curve_secretkey, own.secret_key);
    socket.bind("tcp://127.0.0.1:*");
    CHECK_THROWS_WITH_AS(net::prove_closed(context, zmq::socket_type::pull,
                                           socket.get(zmq::sockopt::last_endpoint), gatekeeper),
                         doctest::Contains("has let an unknown key in"), StartupError);
}

TEST_CASE("what other hosts reach is not bound without keys, unless that is wanted") {
    zmq::context_t context;
    std::vector<std::string> bound;
    CHECK_THROWS_WITH_AS(
        net::bind(context, zmq::socket_type::pull, {"tcp://0.0.0.0:*"}, "--bind", bound),
        doctest::Contains("cannot bind tcp://0.0.0.0:* without keys"), StartupError);
    CHECK(bound.empty());
    net::bind(context, zmq::socket_type::pull, {"tcp://0.0.0.0:*"}, "--bind", bound,
              {.insecure = true});
    CHECK(bound.size() == 1);
    for (const char* here : {"tcp://127.0.0.1:1", "tcp://127.1.2.3:*", "tcp://localhost:1",
                             "tcp://[::1]:1", "ipc:///x", "inproc://x"})
        CHECK(net::is_local(here));
    for (const char* anywhere : {"tcp://0.0.0.0:1", "tcp://*:1", "tcp://[::]:1", "tcp://10.0.0.1:1",
                                 "tcp://127.example.org:1", "tcp://eth0:1"})
        CHECK_FALSE(net::is_local(anywhere));
}

TEST_CASE("a gatherer's key decides how it is reached") {
    std::optional<Keys> keys = Keys{.own = make_key_pair(), .broker = make_key_pair().public_key};
    wire::GathererRef plain{.name = "g1"};
    wire::GathererRef closed{.name = "g2", .public_key = make_key_pair().public_key};
    CHECK(net::proof_for(std::nullopt, plain, "tcp://127.0.0.1:1")->own == nullptr);
    CHECK(net::proof_for(keys, closed, "tcp://127.0.0.1:1")->server == closed.public_key);
    CHECK(net::proof_for(keys, plain, "inproc://x")->own == nullptr);
    CHECK(net::proof_for(keys, plain, "tcp://127.0.0.1:1")
              .error()
              .text.find("gatherer g1 has no key") == 0);
    CHECK(net::proof_for(std::nullopt, closed, "tcp://127.0.0.1:1")
              .error()
              .text.find("gatherer g2 has a key") == 0);
    closed.public_key = "nonsense";
    CHECK_FALSE(net::proof_for(keys, closed, "tcp://127.0.0.1:1"));
}
