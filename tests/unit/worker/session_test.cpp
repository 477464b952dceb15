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
    WorkerBench bench(2);
    bench.tick();
    auto hello = bench.sent<wire::Hello>();
    CHECK(hello.role == wire::Role::worker);
    CHECK(hello.name == "w1");
    CHECK(hello.slots == 2);
    CHECK(hello.functions == std::vector<std::string>{"cube", "square"});
    CHECK(hello.idempotent == std::vector<std::string>{"square"});
    CHECK(hello.labels == std::vector<std::string>{"gpu"});
    CHECK(hello.resources == std::vector<wire::Resource>{{"mem", 5}});
    bench.tick(900ms);
    CHECK(bench.quiet());
    CHECK(bench.core().next_wakeup() == bench.now + 100ms);
    bench.tick(100ms);
    bench.sent<wire::Hello>();
    bench.welcome();
    CHECK(bench.core().connected());
    CHECK(bench.sent<wire::Heartbeat>().handled == 0);
    bench.dispatch(job_one, 0, 1);
    bench.take<Run>();
    for (int i = 0; i < 3; ++i) {
        bench.tick(499ms);
        CHECK(bench.quiet());
        bench.tick(1ms);
        CHECK(bench.sent<wire::Heartbeat>().held.size() == 1);
    }
}

TEST_CASE(
    "worker: with nothing to tell it beats three times within the timeout, at best when the broker "
    "does") {
    WorkerBench bench;
    bench.connect();
    SUBCASE("the broker beats: it is answered, though not when the last beat is fresh") {
        bench.tick(249ms);
        bench.broker(wire::Heartbeat{});
        CHECK(bench.quiet());
        for (Duration later : {1ms, 500ms, 1500ms}) {
            bench.now += later;
            bench.broker(wire::Heartbeat{});
            auto heartbeat = bench.sent<wire::Heartbeat>();
            CHECK((heartbeat.held.empty() && heartbeat.kept.empty()));
        }
    }
    SUBCASE("the broker does not, but lives") {
        for (int i = 0; i < 3; ++i) {
            bench.now += 1624ms;
            bench.broker(wire::Release{});
            CHECK(bench.quiet());
            bench.tick(1ms);
            bench.sent<wire::Heartbeat>();
        }
        CHECK(3 * 1625ms < limits::peer_timeout);
    }
    SUBCASE(
        "work comes: the next beat is a usual one, and beats of the broker are not answered any "
        "more") {
        bench.tick(1s);
        bench.dispatch(job_one, 0, 1);
        bench.take<Run>();
        bench.now += 499ms;
        bench.broker(wire::Heartbeat{});
        CHECK(bench.quiet());
        bench.tick(1ms);
        CHECK(bench.sent<wire::Heartbeat>().held.size() == 1);
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
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 2);
    auto run = bench.take<Run>();
    bench.broker(wire::Dispatch{.sequence = 1, .job = job_one, .first = 5, .count = 1, .brief = {}},
                 numbers(5, 1));
    CHECK(bench.quiet());
    CHECK(bench.core().held() == 2);
    bench.values(run.task.number, 0, 1);
    bench.take<PushResults>();
    bench.dispatch(job_one, 0, 4);  // 0 is kept, 1 is running
    CHECK(bench.core().held() == 3);
    bench.values(run.task.number, 1, 1);
    bench.take<PushResults>();
    bench.finished(run.task.number);
    auto rest = bench.take<Run>();
    CHECK(rest.task.first == 2);
    CHECK(rest.task.count == 2);
    CHECK(rest.task.body.view() == numbers(2, 2).view());
    bench.tick(2ms);
    CHECK(bench.sent<wire::Done>().runs[0].range == Range{0, 2});
}

TEST_CASE(
    "worker: a dispatch that a heartbeat has passed over is not taken any more, one that it has "
    "not is") {
    WorkerBench bench;
    bench.connect();
    bench.sequence = 2;
    bench.dispatch(job_one, 20, 1);  // number 3 comes first
    bench.take<Run>();
    bench.sequence = 1;
    bench.dispatch(job_one, 10, 1);  // number 2 is late, and taken
    CHECK(bench.core().held() == 2);
    bench.tick(500ms);
    CHECK(bench.sent<wire::Heartbeat>().handled == 3);
    bench.sequence = 0;
    bench.dispatch(job_one, 0, 1);  // number 1 was given up by that heartbeat
    CHECK(bench.core().held() == 2);
}

TEST_CASE("worker: a silent broker is connected to again, and the inventory says what goes on") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 2);
    auto run = bench.take<Run>();
    for (int i = 0; i < 9; ++i) {
        bench.tick(500ms);
        bench.sent<wire::Heartbeat>();
    }
    bench.tick(500ms);
    bench.take<Reconnect>();
    bench.sent<wire::Hello>();
    CHECK_FALSE(bench.core().connected());

    bench.values(run.task.number, 0, 1);
    bench.take<PushResults>();  // the gatherer hears of it, whatever becomes of the broker
    bench.failed(run.task.number, 1, "no");
    bench.finished(run.task.number);
    CHECK(bench.quiet());

    std::uint64_t life = 1;
    SUBCASE("the same life of the broker") { life = 1; }
    SUBCASE("another life of the broker") { life = 2; }
    bench.welcome(life);
    auto done = bench.sent<wire::Done>();
    CHECK(done.runs[0].range == Range{0, 1});
    CHECK(done.failures[0].failures[0].index == 1);
    auto heartbeat = bench.sent<wire::Heartbeat>();
    CHECK(heartbeat.handled == 0);
    CHECK(heartbeat.kept[0].ranges == Ranges{{0, 1}});
    bench.sequence = 0;
    bench.dispatch(job_one, 5, 1);  // numbered from 1 again
    CHECK(bench.take<Run>().task.first == 5);
}

TEST_CASE("worker: time in which this process stood still is held against nobody") {
    WorkerBench bench;
    bench.connect();
    bench.tick(60s);
    bench.sent<wire::Heartbeat>();
    CHECK(bench.core().connected());
}

TEST_CASE("worker: refusals") {
    WorkerBench bench;
    SUBCASE("another version ends it with the broker's words") {
        bench.tick();
        bench.sent<wire::Hello>();
        bench.broker(wire::Refused{.code = wire::RefusalCode::version,
                                   .text = "version 2 here, version 1 there",
                                   .job = {}});
        CHECK(bench.take<Leave>().error ==
              "the broker refuses this worker: version 2 here, version 1 there");
    }
    SUBCASE("a broker that does not know the session is greeted again at once, but once") {
        bench.connect();
        bench.broker(wire::Refused{
            .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
        bench.sent<wire::Hello>();
        bench.broker(wire::Refused{
            .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
        CHECK(bench.quiet());
        bench.welcome(2);
        bench.sent<wire::Heartbeat>();
    }
    SUBCASE("one about a job is noted") {
        bench.connect();
        bench.broker(wire::Refused{
            .code = wire::RefusalCode::unknown_job, .text = "never heard of it", .job = job_one});
        CHECK(bench.noted("broker refuses"));
    }
}

TEST_CASE("worker: drains") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 1);
    auto run = bench.take<Run>();
    bench.dispatch(job_one, 1, 2);
    bench.step(Drain{});
    CHECK(bench.quiet());
    bench.tick(2ms);
    CHECK(bench.sent<wire::Done>().returned[0].ranges == Ranges{{1, 3}});
    bench.dispatch(job_one, 7, 1);
    bench.tick(2ms);
    CHECK(bench.sent<wire::Done>().returned[0].ranges == Ranges{{7, 8}});
    bench.values(run.task.number, 0, 1);
    bench.take<PushResults>();
    bench.finished(run.task.number);
    CHECK(bench.sent<wire::Done>().runs.size() == 1);
    CHECK(bench.quiet());  // until its result is confirmed
    SUBCASE("the result is confirmed") {
        bench.broker(wire::Release{.items = {{job_one, {{0, 1}}}}});
    }
    SUBCASE("the result is not confirmed for a while") {
        bench.now += 2s;
        bench.broker(wire::Release{});
        bench.sent<wire::Heartbeat>();
        bench.take<PushResults>();
    }
    CHECK(bench.sent<wire::Bye>().reason == "drained");
    CHECK(bench.take<Leave>().error.empty());
}

}  // namespace fanfold::worker
