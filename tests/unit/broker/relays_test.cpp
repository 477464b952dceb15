// Results of workers that can't reach their gatherer, on their way through the broker.
#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
/// A job of four fragments, two workers, and a gatherer that knows relays.
struct Ways : Stage {
    explicit Ways(std::uint16_t minor = wire::version_minor) {
        client("c");
        peers_minor = minor;
        gatherer("g");
        peers_minor = wire::version_minor;
        worker("w", 4);
        worker("v", 4, 2);
        ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Mark, wire::Notice,
               wire::Release, wire::Sealed>();
        job = open(1, 4);
    }
    void relay(const char* peer, std::uint64_t number, Range range, std::size_t bytes_each = 1) {
        std::string body;
        for (Index index = range.begin; index < range.end; ++index)
            body += bytes_each == 1 ? std::string(1, '\x07')
                                    : "\xc6" +
                                          std::string{static_cast<char>(bytes_each >> 24),
                                                      static_cast<char>(bytes_each >> 16),
                                                      static_cast<char>(bytes_each >> 8),
                                                      static_cast<char>(bytes_each)} +
                                          std::string(bytes_each, 'x');
        say(peer, relay_of(number, range), Slice::take(std::move(body)));
    }
    wire::Relay relay_of(std::uint64_t number, Range range) const {
        return {.results = {.job = job,
                            .first = range.begin,
                            .count = static_cast<std::uint32_t>(range.size()),
                            .meta = {}},
                .number = number};
    }
    void answered(const char* worker, std::uint64_t number) {
        say("g", wire::Marked{.job = job, .owner = {worker}, .number = number});
        CHECK(expect<wire::Marked>(worker).number == number);
    }
    /// Time in which all are heard.
    void live(Duration time) {
        for (; time > Duration(0); time -= 500ms) {
            for (const char* peer : {"c", "g"})
                if (core->sessions().contains({peer})) say(peer, wire::Heartbeat{});
            for (const char* peer : {"w", "v"})
                say(peer, wire::Heartbeat{.handled = 100, .kept = {{job, {{0, 4}}}}});
            pass(500ms);
        }
    }
    JobId job;
};
}  // namespace

TEST_CASE("workers are told how much may be on its way through the broker") {
    Ways ways;
    ways.say("x", wire::Hello{.role = wire::Role::worker, .name = "x", .epoch = {0, 9}});
    CHECK(ways.expect<wire::Welcome>("x").relay_credit == broker::limits::relay_credit);
}

TEST_CASE("results go on to the job's gatherer with whom to answer, and the answer back") {
    Ways ways;
    ways.relay("w", 7, {0, 2});
    auto relay = ways.expect<wire::Relay>("g");
    CHECK(relay.results.first == 0);
    CHECK(relay.results.count == 2);
    CHECK(relay.owner.bytes == "w");
    CHECK(relay.number == 7);
    ways.answered("w", 7);
}

TEST_CASE("what exceeds what a gatherer may have on its way waits for its answers") {
    Ways ways;
    const std::size_t large = broker::limits::relayed_bytes - 1000;
    ways.relay("w", 1, {0, 1}, large);
    ways.expect<wire::Relay>("g");
    ways.relay("v", 1, {1, 2}, 2000);
    ways.relay("v", 2, {2, 3}, 2000);
    CHECK(ways.expect_all<wire::Marked>("v").empty());
    ways.relay("v", 3, {3, 4}, 300);
    ways.expect<wire::Relay>("g");
    ways.answered("w", 1);
    CHECK(ways.expect<wire::Marked>("v").number == 2);  // the last that waits: it may come again
    ways.relay("v", 4, {1, 2}, 2 * large);              // past the bound: not beside another
    CHECK(ways.expect_all<wire::Relay>("g").empty());
    ways.answered("v", 3);
    CHECK(ways.expect<wire::Marked>("v").number == 4);
    ways.relay("v", 5, {1, 2}, 2 * large);
    ways.expect<wire::Relay>("g");
}

TEST_CASE("those that wait are woken one after the other, and none is forgotten") {
    Ways ways;
    ways.relay("w", 1, {0, 1}, 2 * broker::limits::relayed_bytes);
    ways.expect<wire::Relay>("g");
    ways.relay("w", 2, {1, 2});
    ways.relay("v", 1, {2, 3});
    ways.answered("w", 1);
    auto woken = [&] {
        return std::pair(ways.expect_all<wire::Marked>("v").size(),
                         ways.expect_all<wire::Marked>("w").size());
    };
    CHECK(woken() == std::pair<std::size_t, std::size_t>(1, 0));
    // It has nothing to send any more.
    ways.live(2s);
    CHECK(woken() == std::pair<std::size_t, std::size_t>(0, 1));
}

TEST_CASE("while a gatherer is away nobody sends anything again, and then everybody") {
    Ways ways;
    ways.relay("w", 1, {0, 1});
    ways.relay("w", 2, {1, 2});
    CHECK(ways.expect_all<wire::Relay>("g").size() == 2);
    ways.step(Unroutable{{"g"}});
    ways.relay("v", 4, {2, 3});
    ways.live(10s);
    CHECK(ways.expect_all<wire::Marked>("w").empty());
    CHECK(ways.expect_all<wire::Marked>("v").empty());
    ways.gatherer("g2");
    auto answers = ways.expect_all<wire::Marked>("w");
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].number == 2);
    CHECK(ways.expect<wire::Marked>("v").number == 4);
    ways.relay("w", 3, {0, 1});
    CHECK(ways.expect<wire::Relay>("g2").number == 3);
    // One that is gone itself is not waited for.
    ways.step(Unroutable{{"w"}});
    ways.step(Unroutable{{"g2"}});
    ways.gatherer("g3");
    CHECK(ways.expect_all<wire::Marked>("w").empty());
}

TEST_CASE("what can't be passed on is turned down") {
    SUBCASE("the gatherer is of an earlier version") {
        Ways ways(wire::minor_of_relays - 1);
        ways.relay("w", 1, {0, 1});
        CHECK(ways.expect<wire::Marked>("w").number == 1);
    }
    SUBCASE("the job is not known") {
        Ways ways;
        auto relay = ways.relay_of(1, {0, 1});
        relay.results.job = job_number(9);
        ways.say("w", relay, Slice::take("\x07"));
        CHECK(ways.expect<wire::Marked>("w").number == 1);
    }
    SUBCASE("it makes no sense, which counts") {
        Ways ways;
        ways.relay("w", 1, {3, 5});
        ways.say("w", ways.relay_of(2, {0, 3}), Slice::take("\x07\x07"));
        auto nothing = ways.relay_of(3, {0, 1});
        nothing.results.count = 0;
        ways.say("w", nothing);
        CHECK(ways.expect_all<wire::Marked>("w").size() == 3);
        CHECK(ways.core->conduct().misbehaviour().counted() == 3);
    }
}

TEST_CASE("only workers may have their results passed on") {
    Ways ways;
    ways.relay("c", 1, {0, 1});
    CHECK(ways.expect<wire::Refused>("c").text.find("Relay") != std::string::npos);
}
