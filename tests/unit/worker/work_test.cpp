// The worker's core as scripts, the part about work: events in, the actions that it takes, and
// nothing besides.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/worker_harness.hpp"
#include "worker/core/core.hpp"

namespace fanfold::worker {

using namespace testing;

TEST_CASE("worker: runs a chunk, pushes values at once, and keeps them until they are released") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 10, 4, 2);
    auto run = bench.take<Run>();
    CHECK(run.slot == 0);
    CHECK(run.task.first == 10);
    CHECK(run.task.count == 4);
    CHECK(run.task.attempt == 2);
    CHECK(run.task.spec.function == "square");
    CHECK(run.task.body.view() == numbers(10, 4).view());

    bench.values(run.task.number, 10, 3);
    auto pushed = bench.take<PushResults>();
    CHECK(pushed.to == first_gatherer);
    CHECK(pushed.message.first == 10);
    CHECK(pushed.message.count == 3);
    CHECK(pushed.message.meta.worker == "w1");
    CHECK(pushed.message.meta.attempt == 2);
    CHECK(pushed.body.view() == numbers(10, 3).view());
    CHECK(bench.quiet());  // the slot is busy, so the broker is told a little later
    CHECK(bench.core().next_wakeup() == bench.now + 2ms);
    bench.tick(2ms);
    auto done = bench.sent<wire::Done>();
    REQUIRE(done.runs.size() == 1);
    CHECK(done.runs[0].range == Range{10, 13});
    CHECK(done.runs[0].busy == 10us);

    bench.values(run.task.number, 13, 1);
    bench.take<PushResults>();
    bench.finished(run.task.number);
    CHECK(bench.sent<wire::Done>().runs[0].range == Range{13, 14});  // at once: the slot is idle
    bench.tick(500ms);
    auto heartbeat = bench.sent<wire::Heartbeat>();
    CHECK(heartbeat.handled == 1);
    CHECK(heartbeat.held.empty());
    REQUIRE(heartbeat.kept.size() == 1);
    CHECK(heartbeat.kept[0].ranges == Ranges{{10, 14}});

    CHECK(bench.core().kept_bytes() == 4);
    bench.broker(wire::Release{.items = {{job_one, {{11, 12}}}}});
    CHECK(bench.core().kept_bytes() == 3);
    bench.broker(wire::Release{.items = {{job_one, {{10, 14}}}}});
    CHECK(bench.core().kept_bytes() == 0);
}

TEST_CASE("worker: chunks wait in order for a free slot") {
    WorkerBench bench(2);
    bench.connect();
    for (Index i = 0; i < 4; ++i) bench.dispatch(job_one, i, 1);
    auto first = bench.take<Run>();
    auto second = bench.take<Run>();
    CHECK(first.slot == 0);
    CHECK(second.slot == 1);
    CHECK(bench.quiet());
    CHECK(bench.core().held() == 4);
    bench.values(second.task.number, 1, 1);
    bench.take<PushResults>();
    bench.finished(second.task.number);
    auto third = bench.take<Run>();
    CHECK(third.slot == 1);
    CHECK(third.task.first == 2);
    bench.tick(2ms);
    bench.sent<wire::Done>();
    bench.tick(498ms);
    auto heartbeat = bench.sent<wire::Heartbeat>();
    CHECK(heartbeat.held[0].ranges == Ranges{{0, 1}, {2, 4}});
    CHECK(heartbeat.kept[0].ranges == Ranges{{1, 2}});
}

TEST_CASE("worker: failures go to the broker with their outputs in the body") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 3, 2);
    auto run = bench.take<Run>();
    bench.failed(run.task.number, 0, "no", Slice::copy("first"));
    bench.failed(run.task.number, 2, "never", Slice::copy("last"));
    bench.failed(run.task.number, 2, "again");      // reported already
    bench.failed(run.task.number, 9, "elsewhere");  // not of this task
    bench.values(run.task.number, 1, 1);
    bench.take<PushResults>();
    bench.finished(run.task.number);
    Slice body;
    auto done = bench.sent<wire::Done>(&body);
    REQUIRE(done.failures.size() == 1);
    REQUIRE(done.failures[0].failures.size() == 2);
    const wire::Failure& failure = done.failures[0].failures[0];
    CHECK(failure.index == 0);
    CHECK(failure.attempt == 2);
    CHECK(failure.worker == "w1");
    CHECK(failure.message == "no");
    CHECK(failure.output_bytes == 5);
    CHECK(body.view() == "firstlast");
    CHECK(done.runs[0].range == Range{1, 2});
    CHECK(bench.core().held() == 0);
}

TEST_CASE("worker: what it can't run it answers") {
    WorkerBench bench;
    bench.connect();
    SUBCASE("a function that it does not offer") {
        bench.dispatch(job_one, 0, 2, 1, "root");
        auto done = bench.sent<wire::Done>();
        REQUIRE(done.failures[0].failures.size() == 2);
        CHECK(done.failures[0].failures[1].kind == wire::FailureKind::failed);
        CHECK(done.failures[0].failures[1].message ==
              "this worker offers no function 'root'; it offers cube, square");
    }
    SUBCASE("a job that it was not told of") {
        bench.broker(
            wire::Dispatch{.sequence = 1, .job = job_one, .first = 3, .count = 2, .brief = {}},
            numbers(3, 2));
        auto done = bench.sent<wire::Done>();
        REQUIRE(done.returned.size() == 1);
        CHECK(done.returned[0].job == job_one);
        CHECK(done.returned[0].ranges == Ranges{{3, 5}});
    }
    SUBCASE("a chunk that makes no sense") {
        bench.dispatch(job_one, ~Index{0}, 3);
        CHECK(bench.noted("chunk that makes no sense"));
    }
    SUBCASE("a chunk of more fragments than any block has") {
        bench.broker(wire::Dispatch{.sequence = 1, .job = job_one, .count = ~0u, .brief = {}});
        CHECK(bench.noted("chunk that makes no sense"));
    }
    SUBCASE("bytes and messages that are not for it") {
        bench.step(Garbled{.from = {}, .why = "noise"});
        bench.broker(wire::Accepted{});
        CHECK(bench.noted("bytes that are no message"));
        CHECK(bench.noted("message that is not for a worker"));
    }
    SUBCASE("a part of a body that can't be cut") {
        bench.dispatch(job_one, 1, 1);
        bench.take<Run>();
        wire::JobBrief brief{.spec = {.function = "square", .owner = {}},
                             .assignment = 1,
                             .gatherer = first_gatherer};
        bench.broker(
            wire::Dispatch{.sequence = 2, .job = job_one, .first = 0, .count = 3, .brief = brief},
            Slice::copy("\xc1\xc1\xc1"));
        bench.tick(2ms);
        auto done = bench.sent<wire::Done>();
        CHECK(done.failures[0].failures.size() == 2);
        CHECK(done.failures[0].failures[0].message ==
              "the chunk's payloads are not whole MessagePack objects");
    }
}

TEST_CASE("worker: a release takes fragments out of the queue and stops what nobody wants") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 2);
    auto run = bench.take<Run>();
    bench.dispatch(job_one, 2, 4);
    bench.broker(wire::Release{.items = {{job_one, {{1, 4}, {5, 6}}}}});
    CHECK(bench.quiet());  // 0 is still wanted of the running task
    CHECK(bench.core().held() == 2);
    bench.values(run.task.number, 0, 2);
    CHECK(bench.take<PushResults>().message.count == 1);
    bench.finished(run.task.number);
    auto rest = bench.take<Run>();
    CHECK(rest.task.first == 4);
    CHECK(rest.task.count == 1);
    CHECK(rest.task.body.view() == numbers(4, 1).view());
    bench.tick(2ms);
    CHECK(bench.sent<wire::Done>().runs[0].range == Range{0, 1});
    bench.broker(wire::Release{.items = {{job_one, {{4, 5}}}}});
    CHECK(bench.take<Stop>().task == rest.task.number);
    bench.values(rest.task.number, 4, 1);  // it ended before it could be stopped
    bench.finished(rest.task.number);
    CHECK(bench.core().held() == 0);
}

TEST_CASE("worker: a dropped job is stopped, freed and forgotten") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 2);
    auto run = bench.take<Run>();
    bench.dispatch(job_one, 2, 2);
    bench.dispatch(job_two, 0, 1);
    bench.values(run.task.number, 0, 1);
    bench.take<PushResults>();
    bench.broker(wire::Drop{job_one});
    CHECK(bench.take<Stop>().task == run.task.number);
    CHECK(bench.core().kept_bytes() == 0);
    CHECK(bench.core().held() == 1);
    bench.values(run.task.number, 1, 1);
    bench.finished(run.task.number);
    CHECK(bench.take<Run>().task.job == job_two);
    bench.tick(2ms);
    bench.sent<wire::Done>();
    bench.broker(wire::Dispatch{.sequence = 4, .job = job_one, .first = 0, .count = 1, .brief = {}},
                 numbers(0, 1));
    bench.tick(2ms);
    CHECK(bench.sent<wire::Done>().returned[0].job == job_one);  // its brief is gone
}

TEST_CASE("worker: what a finished task has not reported runs again, first of all") {
    WorkerBench bench;
    bench.connect();
    bench.dispatch(job_one, 0, 5);
    auto run = bench.take<Run>();
    bench.dispatch(job_one, 8, 1);
    bench.values(run.task.number, 1, 2);
    bench.take<PushResults>();
    bench.finished(run.task.number);
    auto again = bench.take<Run>();
    CHECK(again.task.first == 0);
    CHECK(again.task.count == 1);
    CHECK(again.task.number != run.task.number);
    bench.tick(2ms);
    bench.sent<wire::Done>();
}

TEST_CASE(
    "worker: an overrun fragment is a timeout, the rest of its task goes on elsewhere, the slot is "
    "stuck until it returns") {
    WorkerBench bench(2);
    bench.connect();
    bench.timeout = 1500ms;
    bench.dispatch(job_one, 0, 5);
    auto run = bench.take<Run>();
    bench.values(run.task.number, 0, 2);
    bench.take<PushResults>();
    bench.sent<wire::Done>();
    bench.step(Overran{.task = run.task.number, .index = 2});
    auto rest = bench.take<Run>();
    CHECK(rest.slot == 1);
    CHECK(rest.task.first == 3);
    CHECK(rest.task.count == 2);
    bench.tick(2ms);
    auto done = bench.sent<wire::Done>();
    REQUIRE(done.failures.size() == 1);
    const wire::Failure& failure = done.failures[0].failures[0];
    CHECK(failure.index == 2);
    CHECK(failure.kind == wire::FailureKind::timeout);
    CHECK(failure.message == "took longer than its timeout of 1.5s");
    bench.tick(500ms);
    auto heartbeat = bench.sent<wire::Heartbeat>();
    CHECK(heartbeat.stuck_slots == 1);
    CHECK(heartbeat.held[0].ranges == Ranges{{3, 5}});

    SUBCASE("it returns: what it says now counts for nothing") {
        bench.values(run.task.number, 2, 3);
        bench.finished(run.task.number);
        bench.tick(500ms);
        CHECK(bench.sent<wire::Heartbeat>().stuck_slots == 0);
    }
    SUBCASE("all slots are stuck: the worker gives back what it has and leaves") {
        bench.step(Overran{.task = rest.task.number, .index = 3});
        auto last = bench.sent<wire::Done>();
        CHECK(last.failures[0].failures[0].index == 3);
        CHECK(last.returned[0].ranges == Ranges{{4, 5}});
        CHECK(bench.sent<wire::Bye>().reason.find("stuck") != std::string::npos);
        CHECK(bench.take<Leave>().error ==
              "all 2 slots are stuck in handlers that ran past their timeout");
        bench.tick(1s);
        CHECK(bench.quiet());
    }
}

}  // namespace fanfold::worker
