#include "shared/events/misbehaviour.hpp"

#include <doctest/doctest.h>

using namespace fanfold;
using namespace std::chrono_literals;

namespace {
const PeerId someone{"c123"};
const Sender nobody{};
const Sender keyed{.user = "ada", .public_key = "the key of ada"};

/// How many messages of nonsense, one each `interval`, until the peer is cut off; 1,000 when it
/// never is.
int until_cut_off(Misbehaviour& nonsense, const std::string& who, Time& now, Duration interval) {
    for (int count = 1; count < 1000; ++count, now += interval)
        if (nonsense.count(who, now).cut_off) return count;
    return 1000;
}

bool ignores(const Misbehaviour& nonsense, const std::string& connection, Time now) {
    return nonsense.ignores({connection}, nobody, now);
}
}  // namespace

TEST_CASE(
    "nonsense is held against a connection's key, else against the connection, else against "
    "nobody") {
    CHECK(blamed(someone, nobody) == "connection c123");
    CHECK(blamed(someone, keyed) == "key the key of ada");
    CHECK(blamed({}, keyed) == blamed(someone, keyed));
    CHECK(blamed({}, nobody).empty());
    CHECK(blamed({"key the key of ada"}, nobody) != blamed(someone, keyed));
}

TEST_CASE("a peer is cut off for a while, and its neighbour is not") {
    Misbehaviour nonsense;
    Time now{5h};
    CHECK(until_cut_off(nonsense, "connection a", now, 0s) == 100);
    CHECK(ignores(nonsense, "a", now));
    CHECK_FALSE(ignores(nonsense, "b", now));
    CHECK_FALSE(ignores(nonsense, "", now));
    CHECK(ignores(nonsense, "a", now + limits::cut_off_time - 1ms));
    now += limits::cut_off_time;
    CHECK_FALSE(ignores(nonsense, "a", now));
    CHECK(until_cut_off(nonsense, "connection a", now, 0s) == 100);
}

TEST_CASE("a message that took long to look at weighs as many") {
    Misbehaviour nonsense;
    Time now{5h};
    CHECK_FALSE(nonsense.count("connection a", now, 10 * limits::misbehaviour_bytes).cut_off);
    CHECK(until_cut_off(nonsense, "connection a", now, 0s) == 89);
    CHECK(nonsense.count("b", now, limits::header_bytes).cut_off);
}

TEST_CASE("strikes wear off") {
    Misbehaviour nonsense;
    Time now{5h};
    CHECK(until_cut_off(nonsense, "now and then", now, 1s) == 1000);
    CHECK(until_cut_off(nonsense, "all the time", now, 300ms) < 220);
    CHECK(nonsense.counted() < 1300);
}

TEST_CASE("where nobody is known, nobody is cut off, and all is counted") {
    Misbehaviour nonsense;
    Time now{5h};
    CHECK(until_cut_off(nonsense, "", now, 1us) == 1000);
    CHECK(nonsense.counted() == 999);
    CHECK(nonsense.remembered() == 0);
}

TEST_CASE("lines come at a limited rate, and say how many were left out") {
    Misbehaviour nonsense;
    Time now{5h};
    int lines = 0;
    for (int i = 0; i < 50; ++i) lines += nonsense.count("connection a", now).log ? 1 : 0;
    CHECK(lines == 10);
    CHECK_FALSE(nonsense.count("b", now + 999ms).log);
    CHECK(nonsense.count("b", now + 1s).log == 41);
    CHECK_FALSE(nonsense.count("b", now + 1s).log);
    CHECK(nonsense.count("b", now + 1h).log == 1);
    CHECK(and_more(0).empty());
    CHECK(and_more(41) == ", and 41 more like it");
}

TEST_CASE("that a peer is cut off is told though lines about its messages are left out") {
    Misbehaviour nonsense;
    Time now{5h};
    for (int i = 0; i < 99; ++i) (void)nonsense.count("connection a", now);
    Misbehaviour::Verdict last = nonsense.count("connection a", now);
    CHECK(last.cut_off);
    CHECK(last.log == 0);
}

TEST_CASE("only so many peers are remembered, those that were heard of last") {
    Misbehaviour nonsense;
    Time now{5h};
    CHECK(until_cut_off(nonsense, "connection a", now, 0s) == 100);
    for (int i = 0; i < 100'000; ++i) {
        (void)nonsense.count("connection " + std::to_string(i), now);
        if (i % 1000 == 0) (void)nonsense.count("connection a", now);
        REQUIRE(nonsense.remembered() <= limits::misbehaviour_peers);
    }
    CHECK(ignores(nonsense, "a", now));
    CHECK(nonsense.counted() == 100'200);
}
