#include "shared/events/broker_session.hpp"

#include <doctest/doctest.h>

#include "shared/events/idling.hpp"

using namespace fanfold;
using namespace std::chrono_literals;
using Greeting = BrokerSession::Greeting;
using Refusal = BrokerSession::Refusal;
using State = BrokerSession::State;

namespace {
constexpr Epoch first_life{.number = 3, .incarnation = 30};
constexpr Epoch next_life{.number = 4, .incarnation = 40};
constexpr Epoch without_store{.number = 0, .incarnation = 50};

/// A session, the time, and what it said was due: "hello", "heartbeat" or "reconnect".
struct Peer {
    BrokerSession session{{.role = wire::Role::gatherer, .name = "g", .gatherer = {}}};
    Time now{};
    LivedClock lived;

    Peer() { lived.advance(now); }

    std::string due() {
        BrokerSession::Due due = session.due(now, lived.now());
        REQUIRE(due.reconnect + due.hello + due.heartbeat <= 1);
        return due.reconnect ? "reconnect" : due.hello ? "hello" : due.heartbeat ? "heartbeat" : "";
    }
    std::string after(Duration time) {
        now += time;
        lived.advance(now);
        return due();
    }
    /// What is due next, and after how long.
    std::string next(Duration& waited) {
        Time begin = now;
        std::string what;
        for (int i = 0; i < 1000 && what.empty(); ++i) {
            Time wanted = session.next(now, lived.now());
            REQUIRE(wanted > now);
            what = after(std::min<Duration>(wanted - now, limits::longest_sleep));
        }
        waited = now - begin;
        return what;
    }
    void open() { session.opened(now, lived.now()); }
    void hear() { session.heard(lived.now()); }
    Greeting welcome(const Epoch& epoch, Duration heartbeat = 500ms, Duration timeout = 5s) {
        hear();
        return session.welcomed(
            now, {.epoch = epoch,
                  .heartbeat = std::chrono::duration_cast<wire::Milliseconds>(heartbeat),
                  .timeout = std::chrono::duration_cast<wire::Milliseconds>(timeout)});
    }
    Refusal refuse(wire::RefusalCode code) {
        hear();
        return session.refused(now, lived.now(), {.code = code});
    }
    void stand(const Epoch& epoch = first_life) {
        open();
        REQUIRE(due() == "hello");
        REQUIRE(welcome(epoch) == Greeting::resumed);
    }
};
}  // namespace

TEST_CASE("a name that no broker would read is said at once") {
    CHECK_THROWS_WITH(BrokerSession({.role = wire::Role::worker,
                                     .name = std::string(limits::name_bytes + 1, 'n'),
                                     .gatherer = {}}),
                      "no broker would take this worker: its name has 256 bytes, 255 is the most");
}

TEST_CASE("a session says Hello each second until it is welcomed, and then beats") {
    Peer peer;
    CHECK(peer.due().empty());
    CHECK(peer.session.state() == State::unconnected);
    peer.open();
    CHECK(peer.due() == "hello");
    CHECK(peer.due().empty());
    CHECK(peer.after(999ms).empty());
    CHECK(peer.after(1ms) == "hello");
    CHECK_FALSE(peer.session.standing());
    CHECK(peer.welcome(first_life, 100ms) == Greeting::resumed);
    CHECK(peer.session.standing());
    CHECK(peer.session.broker() == first_life);
    CHECK(peer.due().empty());
    CHECK(peer.after(100ms) == "heartbeat");
    CHECK(peer.after(99ms).empty());
    CHECK(peer.after(1ms) == "heartbeat");
    CHECK(peer.welcome(first_life, 100ms) == Greeting::again);
}

TEST_CASE("a silent broker gets a new connection, each time anew") {
    Peer peer;
    peer.stand();
    Duration waited{};
    for (int beats = 0; beats < 9; ++beats) CHECK(peer.next(waited) == "heartbeat");
    CHECK(peer.after(500ms) == "reconnect");
    CHECK(peer.session.state() == State::unconnected);
    CHECK(peer.next(waited) == "reconnect");
    CHECK(waited == 5s);
    peer.open();
    CHECK(peer.due() == "hello");
    CHECK(peer.welcome(first_life) == Greeting::resumed);
    CHECK(peer.session.standing());
}

TEST_CASE("a client that was never welcomed says Hello on, and keeps its connection") {
    BrokerSession session{{.role = wire::Role::client, .name = "c", .gatherer = {}}};
    Time now{};
    LivedClock lived;
    session.opened(now, lived.advance(now));
    for (int second = 0; second < 20; ++second, now += 1s)
        CHECK(session.due(now, lived.advance(now)).hello);
    CHECK(session.welcomed(now, {.epoch = first_life}) == Greeting::resumed);
    CHECK(session.due(now, lived.advance(now)).reconnect);  // nothing was heard of it since
}

TEST_CASE("a pause of the process is held against nobody, and whatever comes is a sign of life") {
    Peer peer;
    peer.stand();
    CHECK(peer.after(1h) == "heartbeat");
    for (int i = 0; i < 20; ++i) {
        peer.hear();
        CHECK(peer.after(900ms) == "heartbeat");
    }
}

TEST_CASE(
    "a broker that does not know the session is greeted at once, but only by one that stood") {
    Peer peer;
    peer.stand();
    CHECK(peer.refuse(wire::RefusalCode::unknown_session) == Refusal::unknown_session);
    CHECK_FALSE(peer.session.standing());
    CHECK(peer.due() == "hello");
    CHECK(peer.refuse(wire::RefusalCode::unknown_session) == Refusal::unknown_session);
    CHECK(peer.due().empty());
    CHECK(peer.welcome(next_life) == Greeting::resumed);
}

TEST_CASE("another life of the broker is a new session, and says whether it has forgotten") {
    Peer peer;
    peer.stand(first_life);
    CHECK(peer.welcome(next_life) == Greeting::resumed);
    CHECK(peer.welcome(next_life) == Greeting::again);
    CHECK(peer.welcome(without_store) == Greeting::other_life);
    CHECK(peer.welcome({.number = 0, .incarnation = 51}) == Greeting::other_life);

    Peer restored;
    restored.session.restore(first_life);
    restored.open();
    CHECK(restored.due() == "hello");
    CHECK(restored.welcome({.number = 3, .incarnation = 31}) == Greeting::other_life);
}

TEST_CASE("a Welcome of an earlier life is believed the second time") {
    Peer peer;
    peer.stand(next_life);
    CHECK(peer.welcome(first_life) == Greeting::doubted);
    CHECK(peer.session.standing());
    CHECK(peer.session.broker() == next_life);
    CHECK(peer.due() == "hello");
    SUBCASE("it was late on its way") {
        CHECK(peer.welcome(next_life) == Greeting::again);
        CHECK(peer.due().empty());
        CHECK(peer.welcome(first_life) == Greeting::doubted);
    }
    SUBCASE("the broker went back") {
        CHECK(peer.welcome(first_life) == Greeting::other_life);
        CHECK(peer.session.broker() == first_life);
    }
}

TEST_CASE("a refusal says whether another Hello would be of use") {
    Peer peer;
    peer.stand();
    CHECK(peer.refuse(wire::RefusalCode::version) == Refusal::version);
    CHECK(peer.refuse(wire::RefusalCode::not_allowed) == Refusal::peer);
    CHECK(peer.refuse(wire::RefusalCode::conflict) == Refusal::peer);
    CHECK(peer.refuse(wire::RefusalCode::overloaded) == Refusal::other);
    CHECK(peer.session.standing());

    peer.session.rest(peer.now, 30s);
    Duration waited{};
    CHECK(peer.next(waited) == "hello");
    CHECK(waited == 30s);
    CHECK(peer.next(waited) == "hello");
    CHECK(waited == 1s);

    peer.session.end();
    CHECK(peer.after(1h).empty());
    CHECK(peer.session.next(peer.now, peer.lived.now()) == Time::max());
    peer.open();
    CHECK(peer.session.state() == State::ended);
}

TEST_CASE("an idle peer beats more seldom, until it has something, and answers the broker") {
    Peer peer;
    peer.stand();
    CHECK(peer.after(500ms) == "heartbeat");
    peer.session.beaten(peer.now, true);
    CHECK_FALSE(peer.session.wants_answer(peer.now));
    CHECK(peer.after(500ms).empty());
    CHECK(peer.session.wants_answer(peer.now));
    peer.session.busy(peer.now);
    CHECK_FALSE(peer.session.wants_answer(peer.now));
    CHECK(peer.after(500ms) == "heartbeat");
    peer.session.beaten(peer.now, true);
    Duration waited{};
    peer.hear();
    CHECK(peer.next(waited) == "heartbeat");
    CHECK(waited == idle_beats(500ms, 5s) * 500ms + 125ms);
}

TEST_CASE("what a Welcome asks for stays within reason") {
    Peer peer;
    peer.open();
    CHECK(peer.due() == "hello");
    CHECK(peer.welcome(first_life, 1ms, 1ms) == Greeting::resumed);
    CHECK(peer.after(10ms) == "heartbeat");
    CHECK(peer.after(10ms) == "heartbeat");
    CHECK(peer.after(10ms) == "reconnect");
    peer.open();
    CHECK(peer.welcome(first_life, 0ms, 0ms) == Greeting::resumed);
    CHECK(peer.after(10ms) == "heartbeat");
}
