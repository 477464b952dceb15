// Results for a gatherer that the worker can't reach: they go by way of the broker.
#include <doctest/doctest.h>

#include "tests/support/worker_harness.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {
constexpr std::uint64_t credit = 4;

/// A worker with the values of eight fragments, each a run of one byte, at a wall before `g1`.
struct Walled : Stage {
    explicit Walled(std::uint64_t relay_credit = credit) {
        tick();
        expect<wire::Hello>();
        greet(relay_credit);
        for (Index first = 0; first < 8; ++first) finish(job_one, first);
        ignore<wire::Heartbeat, PushMark>();
        step(Reach{.gatherer = "g1", .endpoint = "tcp://h:1"});
    }
    void greet(std::uint64_t relay_credit, std::uint64_t life = 1) {
        say(wire::Welcome{.epoch = {life, life},
                          .blocks = {},
                          .gatherers = {},
                          .heartbeat = 500ms,
                          .timeout = 5s,
                          .relay_credit = relay_credit});
        expect<wire::Heartbeat>();
    }
    void finish(const JobId& job, Index first) {
        wire::GathererRef gatherer = first_gatherer;
        gatherer.minor = wire::minor_of_relays;
        wire::JobSpec spec{.function = "square", .owner = {}};
        say(wire::Dispatch{.sequence = ++sequence,
                           .job = job,
                           .first = first,
                           .count = 1,
                           .brief = wire::JobBrief{spec, 1, gatherer}},
            numbers(first, 1));
        auto run = expect<Run>();
        values(run.task.number, first, 1);
        expect<PushResults>();
        finished(run.task.number);
        expect<wire::Done>();
    }
    /// What goes to the broker meanwhile.
    std::vector<wire::Relay> relayed(Duration time = 500ms) {
        std::vector<wire::Relay> all;
        for (; time > Duration(0); time -= 500ms) {
            now += 500ms;
            say(wire::Heartbeat{.handled = sequence});
            for (auto& relay : expect_all<wire::Relay>()) all.push_back(relay);
        }
        return all;
    }
    void answer(const wire::Relay& last, Range released) {
        if (!released.empty()) say(wire::Release{.items = {{job_one, {released}}}});
        say(wire::Marked{.job = job_one, .number = last.number});
    }
};
}  // namespace

TEST_CASE("worker: what can't be pushed goes by way of the broker, by its credit") {
    Walled stage;
    CHECK(stage.relayed(2s).empty());  // it may be a blip
    auto sent = stage.relayed(2s);
    REQUIRE(sent.size() == credit);
    CHECK(sent.front().results.first == 0);
    CHECK(stage.relayed(60s).empty());  // no time sends them again
    SUBCASE("the rest follows what is safe") {
        stage.answer(sent.back(), {0, 4});
        CHECK(stage.expect_all<wire::Relay>().size() == credit);
    }
    SUBCASE("what there was no room for is sent again, then after 2 s, 4 s …") {
        stage.answer(sent.back(), {});
        auto again = stage.expect_all<wire::Relay>();
        REQUIRE(again.size() == credit);
        for (Duration patience : {2s, 4s, 8s, 16s, 30s, 30s}) {
            stage.answer(again.back(), {});
            CHECK(stage.expect_all<wire::Relay>().empty());
            CHECK(stage.relayed(patience - 500ms).empty());
            again = stage.relayed(1s);
            REQUIRE(again.size() == credit);
        }
        stage.answer(again.back(), {0, 4});
        CHECK(stage.expect_all<wire::Relay>().size() == credit);
    }
    SUBCASE("of a job that is over nothing is waited for") {
        stage.say(wire::Drop{job_one});
        stage.finish(job_two, 0);
        CHECK(stage.relayed(1s).size() == 1);
    }
    SUBCASE("another session knows of none on its way") {
        stage.say(wire::Refused{.code = wire::RefusalCode::unknown_session, .text = "who?"});
        stage.skip<wire::Hello>();
        stage.tick(1s);
        stage.skip<wire::Hello>();
        stage.greet(credit, 2);
        stage.say(wire::Marked{.job = job_one, .number = sent.back().number});  // from before
        CHECK(stage.relayed().size() == credit);
    }
    SUBCASE("when the wall is gone they are pushed as ever") {
        stage.step(Reach{.gatherer = "g1", .endpoint = "tcp://h:1", .reached = true});
        stage.answer(sent.back(), {0, 4});
        CHECK(stage.relayed(10s).empty());
    }
    stage.ignore<wire::Relay>();
}

TEST_CASE("worker: a broker or a gatherer that knows no relay gets none") {
    SUBCASE("broker") {
        Walled stage(0);
        CHECK(stage.relayed(20s).empty());
    }
    SUBCASE("gatherer") {
        Walled stage;
        wire::GathererRef old = first_gatherer;
        old.minor = wire::minor_of_relays - 1;
        stage.say(wire::SendAgain{.job = job_one, .assignment = 2, .gatherer = old, .ranges = {}});
        CHECK(stage.relayed(20s).empty());
    }
}

}  // namespace fanfold::worker
