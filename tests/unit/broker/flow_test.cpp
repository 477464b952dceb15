// How much may be on its way to a worker: a second of what it takes.
#include <doctest/doctest.h>

#include <deque>

#include "broker/base/limits.hpp"
#include "broker/state/flow.hpp"
#include "tests/support/broker_site_harness.hpp"

namespace fanfold::broker {

using namespace std::chrono_literals;

TEST_CASE("flow: one dispatch may always be on its way, whatever its size") {
    Flow flow;
    CHECK_FALSE(flow.is_full());
    flow.sent(1, 100 << 20, Time{1s});
    CHECK(flow.is_full());
    flow.arrived(1, Time{9s});
    CHECK_FALSE(flow.is_full());
    CHECK(flow.on_its_way() == 0);
}

TEST_CASE("flow: a link of any speed and delay is filled, and not for longer than two seconds") {
    for (double rate : {125e3, 1.25e6, 12.5e6, 125e6})
        for (Duration delay : {Duration(1ms), Duration(50ms), Duration(300ms)}) {
            CAPTURE(rate);
            CAPTURE(delay.count());
            constexpr std::uint64_t chunk = 64 << 10;
            Flow flow;
            Time now{1s};
            Time link_free{};
            std::deque<Time> arrivals;
            std::uint64_t sent = 0, arrived = 0;
            Duration longest{};
            auto settled = [&] { return now > Time{11s}; };
            std::uint64_t arrived_before = 0;
            while (now < Time{21s}) {
                if (!flow.is_full()) {
                    flow.sent(++sent, chunk, now);
                    link_free = std::max(link_free, now) +
                                Duration(static_cast<std::int64_t>(1e9 * chunk / rate));
                    if (settled()) longest = std::max(longest, link_free - now);
                    arrivals.push_back(link_free + delay);
                    continue;
                }
                REQUIRE_FALSE(arrivals.empty());
                if (!settled()) arrived_before = arrived;
                now = std::max(now, arrivals.front());
                arrivals.pop_front();
                flow.arrived(++arrived, now);
            }
            auto used = static_cast<double>((arrived - arrived_before) * chunk) / rate / 10;
            CHECK(used > 0.9);
            CHECK(longest < 3s);
        }
}

TEST_CASE("flow: what is taken within a moment is quick, and never more than some MiB") {
    Flow flow;
    Time now{1h};
    CHECK_FALSE(flow.is_quick(1));
    flow.sent(1, 1 << 20, now);
    flow.arrived(1, now + 100ms);  // 10 MiB a second
    CHECK(flow.is_quick(2 << 20));
    CHECK_FALSE(flow.is_quick(3 << 20));
    flow.sent(2, 64 << 20, now);
    flow.arrived(2, now + 1ms);
    CHECK(flow.is_quick(limits::quick_bytes));
    CHECK_FALSE(flow.is_quick(limits::quick_bytes + 1));
}

TEST_CASE("flow: it follows a link that gets slower") {
    Flow flow;
    Time now{1s};
    std::uint64_t dispatch = 0;
    auto send_for = [&](Duration took, int times) {
        for (int i = 0; i < times; ++i) {
            while (!flow.is_full()) flow.sent(++dispatch, 1 << 20, now);
            now += took;
            flow.arrived(dispatch, now);
        }
    };
    send_for(100ms, 10);
    const auto fast = flow.room();
    send_for(60s, 30);
    CHECK(flow.room() < fast / 10);
}

TEST_CASE("flow: behind a chunk that takes long goes another, before all of it has come") {
    Site stage;
    stage.peers_minor = wire::version_minor;
    stage.join("w", {.minor = wire::version_minor, .slots = 2});
    for (Index n = 0; n < 3; ++n) {
        wire::Block block{.job = job_number(1), .token = 1, .first = n, .count = 1, .stride = 1};
        if (n == 0) block.spec = Stage::spec();
        if (n == 2) block.total = 3;
        stage.block(block, Slice::take(wire::pack_text(std::string(2 << 20, 'x'))));
    }
    CHECK(stage.dispatched("w").size() == 1);
    auto live = [&](Duration time) {
        for (; time > Duration(0); time -= 500ms) {
            stage.pass(500ms);
            for (const char* peer : {"w", "g", "c"}) stage.say(peer, wire::Heartbeat{});
        }
    };
    live(3s);
    CHECK(stage.dispatched("w").empty());  // nobody knows how long it takes
    stage.say("w", wire::Done{.runs = {{.job = job_number(1), .range = {0, 1}}}, .arrived = 1});
    CHECK(stage.dispatched("w").size() == 1);
    live(1s);
    CHECK(stage.dispatched("w").empty());
    live(1500ms);
    CHECK(stage.dispatched("w").size() == 1);
}

}  // namespace fanfold::broker
