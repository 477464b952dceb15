// The worker's core as scripts, the part about its session with the broker, and how it leaves.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/events/idling.hpp"
#include "tests/support/worker_harness.hpp"
#include "worker/core/core.hpp"

namespace fanfold::worker {

using namespace testing;

TEST_CASE(
    "worker: says Hello each second until it is welcome, then tells its inventory at each "
    "heartbeat") {
    Stage stage(2);
    stage.tick();
    auto hello = stage.expect<wire::Hello>();
    CHECK(hello.role == wire::Role::worker);
    CHECK(hello.name == "w1");
    CHECK(hello.slots == 2);
    CHECK(hello.functions == std::vector<std::string>{"cube", "square"});
    CHECK(hello.idempotent == std::vector<std::string>{"square"});
    CHECK(hello.labels == std::vector<std::string>{"gpu"});
    CHECK(hello.resources == std::vector<wire::Resource>{{"mem", 5}});
    stage.tick(900ms);
    CHECK(stage.silent());
    CHECK(stage.core().next_wakeup() == stage.now + 100ms);
    stage.tick(100ms);
    stage.expect<wire::Hello>();
    stage.welcome();
    CHECK(stage.core().connected());
    CHECK(stage.expect<wire::Heartbeat>().handled == 0);
    stage.dispatch(job_one, 0, 1);
    stage.expect<Run>();
    for (int i = 0; i < 3; ++i) {
        stage.tick(499ms);
        CHECK(stage.silent());
        stage.tick(1ms);
        CHECK(stage.expect<wire::Heartbeat>().held.size() == 1);
    }
}

TEST_CASE(
    "worker: with nothing to tell it beats three times within the timeout, at best when the broker "
    "does") {
    Stage stage;
    stage.connect();
    SUBCASE("the broker beats: it is answered, though not when the last beat is fresh") {
        stage.tick(249ms);
        stage.say(wire::Heartbeat{});
        CHECK(stage.silent());
        for (Duration later : {1ms, 500ms, 1500ms}) {
            stage.now += later;
            stage.say(wire::Heartbeat{});
            auto heartbeat = stage.expect<wire::Heartbeat>();
            CHECK((heartbeat.held.empty() && heartbeat.kept.empty()));
        }
    }
    SUBCASE("the broker does not, but lives") {
        for (int i = 0; i < 3; ++i) {
            stage.now += 1624ms;
            stage.say(wire::Release{});
            CHECK(stage.silent());
            stage.tick(1ms);
            stage.expect<wire::Heartbeat>();
        }
        CHECK(3 * 1625ms < limits::peer_timeout);
    }
    SUBCASE(
        "work comes: the next beat is a usual one, and beats of the broker are not answered any "
        "more") {
        stage.tick(1s);
        stage.dispatch(job_one, 0, 1);
        stage.expect<Run>();
        stage.now += 499ms;
        stage.say(wire::Heartbeat{});
        CHECK(stage.silent());
        stage.tick(1ms);
        CHECK(stage.expect<wire::Heartbeat>().held.size() == 1);
    }
}

TEST_CASE("worker: where the timeout is short, it beats at every heartbeat") {
    CHECK(idle_beats(500ms, 5s) == 3);
    CHECK(idle_beats(500ms, 60s) == 3);
    CHECK(idle_beats(500ms, 3s) == 1);
    CHECK(idle_beats(125ms, 500ms) == 1);
    CHECK(idle_beats(1h, 1s) == 1);
    CHECK(idle_beats(0ms, 1s) == 1);
    for (Duration timeout = limits::shortest_timeout; timeout < 20s; timeout += 10ms) {
        Duration heartbeat = std::min<Duration>(timeout / 4, limits::heartbeat_interval);
        CHECK(3 * (idle_beats(heartbeat, timeout) * heartbeat + heartbeat / 4) <= timeout);
    }
}

TEST_CASE("worker: a number that is past and fragments that are here already are ignored") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    stage.say(wire::Dispatch{.sequence = 1, .job = job_one, .first = 5, .count = 1, .brief = {}},
              numbers(5, 1));
    CHECK(stage.silent());
    CHECK(stage.core().held() == 2);
    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();
    stage.dispatch(job_one, 0, 4);  // 0 is kept, 1 is running
    CHECK(stage.core().held() == 3);
    stage.values(run.task.number, 1, 1);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    auto rest = stage.expect<Run>();
    CHECK(rest.task.first == 2);
    CHECK(rest.task.count == 2);
    CHECK(rest.task.body.view() == numbers(2, 2).view());
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().runs[0].range == Range{0, 2});
}

TEST_CASE(
    "worker: a dispatch that a heartbeat has passed over is not taken any more, one that it has "
    "not is") {
    Stage stage;
    stage.connect();
    stage.sequence = 2;
    stage.dispatch(job_one, 20, 1);  // number 3 comes first
    stage.expect<Run>();
    stage.sequence = 1;
    stage.dispatch(job_one, 10, 1);  // number 2 is late, and taken
    CHECK(stage.core().held() == 2);
    stage.tick(500ms);
    CHECK(stage.expect<wire::Heartbeat>().handled == 3);
    stage.sequence = 0;
    stage.dispatch(job_one, 0, 1);  // number 1 was given up by that heartbeat
    CHECK(stage.core().held() == 2);
}

TEST_CASE("worker: a silent broker is connected to again, and the inventory says what goes on") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    for (int i = 0; i < 9; ++i) {
        stage.tick(500ms);
        stage.expect<wire::Heartbeat>();
    }
    stage.tick(500ms);
    stage.expect<Reconnect>();
    stage.expect<wire::Hello>();
    CHECK_FALSE(stage.core().connected());

    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();  // the gatherer hears of it, whatever becomes of the broker
    stage.failed(run.task.number, 1, "no");
    stage.finished(run.task.number);
    CHECK(stage.silent());

    std::uint64_t life = 1;
    SUBCASE("the same life of the broker") { life = 1; }
    SUBCASE("another life of the broker") { life = 2; }
    stage.welcome(life);
    auto done = stage.expect<wire::Done>();
    CHECK(done.runs[0].range == Range{0, 1});
    CHECK(done.failures[0].failures[0].index == 1);
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.handled == 0);
    CHECK(heartbeat.kept[0].ranges == Ranges{{0, 1}});
    stage.sequence = 0;
    stage.dispatch(job_one, 5, 1);  // numbered from 1 again
    CHECK(stage.expect<Run>().task.first == 5);
}

TEST_CASE("worker: time in which this process stood still is held against nobody") {
    Stage stage;
    stage.connect();
    stage.tick(60s);
    stage.expect<wire::Heartbeat>();
    CHECK(stage.core().connected());
}

TEST_CASE("worker: refusals") {
    Stage stage;
    SUBCASE("another version ends it with the broker's words") {
        stage.tick();
        stage.expect<wire::Hello>();
        stage.say(wire::Refused{.code = wire::RefusalCode::version,
                                .text = "version 2 here, version 1 there",
                                .job = {}});
        CHECK(stage.expect<Leave>().error ==
              "the broker refuses this worker: version 2 here, version 1 there");
    }
    SUBCASE("a broker that does not know the session is greeted again at once, but once") {
        stage.connect();
        stage.say(wire::Refused{
            .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
        stage.expect<wire::Hello>();
        stage.say(wire::Refused{
            .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
        CHECK(stage.silent());
        stage.welcome(2);
        stage.expect<wire::Heartbeat>();
    }
    SUBCASE("one about a job is noted") {
        stage.connect();
        stage.say(wire::Refused{
            .code = wire::RefusalCode::unknown_job, .text = "never heard of it", .job = job_one});
        CHECK(stage.noted("broker refuses"));
    }
}

TEST_CASE("worker: drains") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 1);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 1, 2);
    stage.step(Drain{});
    CHECK(stage.expect<wire::Heartbeat>().leaving);
    CHECK(stage.silent());
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().returned[0].ranges == Ranges{{1, 3}});
    stage.dispatch(job_one, 7, 1);
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().returned[0].ranges == Ranges{{7, 8}});
    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    CHECK(stage.expect<wire::Done>().runs.size() == 1);
    CHECK(stage.silent());  // until its result is confirmed
    SUBCASE("the result is confirmed") { stage.say(wire::Release{.items = {{job_one, {{0, 1}}}}}); }
    SUBCASE("the result is not confirmed for a while") {
        stage.now += 2s;
        stage.say(wire::Release{});
        CHECK(stage.expect<wire::Heartbeat>().leaving);
        stage.expect<PushResults>();
    }
    CHECK(stage.expect<wire::Bye>().reason == "drained");
    CHECK(stage.expect<Leave>().error.empty());
}

}  // namespace fanfold::worker
