// What the worker does about its own trouble.
#include <doctest/doctest.h>

#include "tests/support/worker_harness.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {
/// One fragment comes, and can't be run.
void fall_ill(Stage& stage, Index index) {
    stage.dispatch(job_one, index, 1);
    auto run = stage.expect<Run>();
    stage.step(Failed{.task = run.task.number,
                      .failure = {.index = index, .message = "no space"},
                      .output = {},
                      .trouble = wire::TroubleKind::worker});
}

wire::Heartbeat says(Stage& stage) {
    stage.expect_all<wire::Done>();
    return stage.expect<wire::Heartbeat>();
}
}  // namespace

TEST_CASE("worker: what it can't run goes back with the reason, and it rests") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    stage.step(Failed{.task = run.task.number,
                      .failure = {.index = 0, .message = "no space"},
                      .output = {},
                      .trouble = wire::TroubleKind::worker});
    auto done = stage.expect<wire::Done>();
    CHECK(done.failures.empty());
    CHECK(done.returned.at(0).ranges == Ranges{{0, 1}});
    CHECK(done.troubles.at(0).reason == "no space");
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.leaving);
    CHECK(heartbeat.trouble == "no space");
    stage.finished(run.task.number);
    CHECK(stage.expect<wire::Done>().returned.at(0).ranges == Ranges{{1, 2}});
    stage.dispatch(job_one, 5, 1);
    CHECK(stage.expect<wire::Done>().returned.at(0).ranges == Ranges{{5, 6}});
    stage.ignore<wire::Heartbeat>();
    stage.tick(limits::first_rest);
    CHECK_FALSE(stage.expect<wire::Heartbeat>().leaving);
}

TEST_CASE("worker: after repeated trouble, or when it is doubted, it must pass its check") {
    Stage stage;
    stage.connect();
    stage.ignore<wire::Done, wire::Hello, Reconnect>();
    Duration rest = limits::first_doubted_rest;
    SUBCASE("trouble") {
        rest = limits::first_rest;
        for (std::uint32_t i = 1; i < limits::troubles_until_check; ++i, rest *= 2) {
            fall_ill(stage, i);
            CHECK(says(stage).leaving);
            stage.step(Finished{.task = i});
            stage.tick(rest);
            CHECK_FALSE(says(stage).leaving);
            stage.expect_all<wire::Heartbeat>();
        }
        fall_ill(stage, 0);
        CHECK(says(stage).trouble == "no space");
    }
    SUBCASE("doubt") {
        stage.say(wire::Examine{.reason = "others do better"});
        CHECK(says(stage).trouble == "others do better");
    }
    stage.ignore<wire::Heartbeat>();
    stage.tick(rest);
    stage.expect<Check>();
    stage.step(Checked{"the disk is full"});
    stage.tick(limits::longest_rest);
    stage.expect<Check>();
    stage.welcome(2);
    stage.expect_all<wire::Heartbeat>();
    stage.step(Checked{});
    CHECK_FALSE(stage.expect<wire::Heartbeat>().leaving);
}

}  // namespace fanfold::worker
