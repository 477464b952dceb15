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
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 10, 4, 2);
    auto run = stage.expect<Run>();
    CHECK(run.slot == 0);
    CHECK(run.task.first == 10);
    CHECK(run.task.count == 4);
    CHECK(run.task.attempt == 2);
    CHECK(run.task.spec.function == "square");
    CHECK(run.task.body.view() == numbers(10, 4).view());

    stage.values(run.task.number, 10, 3);
    auto pushed = stage.expect<PushResults>();
    CHECK(pushed.to == first_gatherer);
    CHECK(pushed.message.first == 10);
    CHECK(pushed.message.count == 3);
    CHECK(pushed.message.meta.worker == "w1");
    CHECK(pushed.message.meta.attempt == 2);
    CHECK(pushed.body.view() == numbers(10, 3).view());
    CHECK(stage.silent());  // the slot is busy, so the broker is told a little later
    CHECK(stage.core().next_wakeup() == stage.now + 2ms);
    stage.tick(2ms);
    auto done = stage.expect<wire::Done>();
    REQUIRE(done.runs.size() == 1);
    CHECK(done.runs[0].range == Range{10, 13});
    CHECK(done.runs[0].busy == 10us);

    stage.values(run.task.number, 13, 1);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    CHECK(stage.expect<wire::Done>().runs[0].range == Range{13, 14});  // at once: the slot is idle
    stage.tick(500ms);
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.handled == 1);
    CHECK(heartbeat.held.empty());
    REQUIRE(heartbeat.kept.size() == 1);
    CHECK(heartbeat.kept[0].ranges == Ranges{{10, 14}});

    CHECK(stage.core().kept_bytes() == 4);
    stage.say(wire::Release{.items = {{job_one, {{11, 12}}}}});
    CHECK(stage.core().kept_bytes() == 3);
    stage.say(wire::Release{.items = {{job_one, {{10, 14}}}}});
    CHECK(stage.core().kept_bytes() == 0);
}

TEST_CASE("worker: chunks wait in order for a free slot") {
    Stage stage(2);
    stage.connect();
    for (Index i = 0; i < 4; ++i) stage.dispatch(job_one, i, 1);
    auto first = stage.expect<Run>();
    auto second = stage.expect<Run>();
    CHECK(first.slot == 0);
    CHECK(second.slot == 1);
    CHECK(stage.silent());
    CHECK(stage.core().held() == 4);
    stage.values(second.task.number, 1, 1);
    stage.expect<PushResults>();
    stage.finished(second.task.number);
    auto third = stage.expect<Run>();
    CHECK(third.slot == 1);
    CHECK(third.task.first == 2);
    stage.tick(2ms);
    stage.expect<wire::Done>();
    stage.tick(498ms);
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.held[0].ranges == Ranges{{0, 1}, {2, 4}});
    CHECK(heartbeat.kept[0].ranges == Ranges{{1, 2}});
}

TEST_CASE("worker: failures go to the broker with their outputs in the body") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 3, 2);
    auto run = stage.expect<Run>();
    stage.failed(run.task.number, 0, "no", Slice::copy("first"));
    stage.failed(run.task.number, 2, "never", Slice::copy("last"));
    stage.failed(run.task.number, 2, "again");      // reported already
    stage.failed(run.task.number, 9, "elsewhere");  // not of this task
    stage.values(run.task.number, 1, 1);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    Slice body;
    auto done = stage.expect<wire::Done>(&body);
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
    CHECK(stage.core().held() == 0);
}

TEST_CASE("worker: what it can't run it answers") {
    Stage stage;
    stage.connect();
    SUBCASE("a function that it does not offer") {
        stage.dispatch(job_one, 0, 2, 1, "root");
        auto done = stage.expect<wire::Done>();
        REQUIRE(done.failures[0].failures.size() == 2);
        CHECK(done.failures[0].failures[1].kind == wire::FailureKind::failed);
        CHECK(done.failures[0].failures[1].message ==
              "this worker offers no function 'root'; it offers cube, square");
    }
    SUBCASE("a job that it was not told of") {
        stage.say(
            wire::Dispatch{.sequence = 1, .job = job_one, .first = 3, .count = 2, .brief = {}},
            numbers(3, 2));
        auto done = stage.expect<wire::Done>();
        REQUIRE(done.returned.size() == 1);
        CHECK(done.returned[0].job == job_one);
        CHECK(done.returned[0].ranges == Ranges{{3, 5}});
    }
    SUBCASE("a chunk that makes no sense") {
        stage.dispatch(job_one, ~Index{0}, 3);
        CHECK(stage.noted("chunk that makes no sense"));
    }
    SUBCASE("a chunk of more fragments than any block has") {
        stage.say(wire::Dispatch{.sequence = 1, .job = job_one, .count = ~0u, .brief = {}});
        CHECK(stage.noted("chunk that makes no sense"));
    }
    SUBCASE("bytes and messages that are not for it") {
        stage.step(Garbled{.from = {}, .why = "noise"});
        stage.say(wire::Accepted{});
        CHECK(stage.noted("bytes that are no message"));
        CHECK(stage.noted("message that is not for a worker"));
    }
    SUBCASE("a part of a body that can't be cut") {
        stage.dispatch(job_one, 1, 1);
        stage.expect<Run>();
        wire::JobBrief brief{.spec = {.function = "square", .owner = {}},
                             .assignment = 1,
                             .gatherer = first_gatherer};
        stage.say(
            wire::Dispatch{.sequence = 2, .job = job_one, .first = 0, .count = 3, .brief = brief},
            Slice::copy("\xc1\xc1\xc1"));
        stage.tick(2ms);
        auto done = stage.expect<wire::Done>();
        CHECK(done.failures[0].failures.size() == 2);
        CHECK(done.failures[0].failures[0].message ==
              "the chunk's payloads are not whole MessagePack objects");
    }
}

TEST_CASE("worker: a release takes fragments out of the queue and stops what nobody wants") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 2, 4);
    stage.say(wire::Release{.items = {{job_one, {{1, 4}, {5, 6}}}}});
    CHECK(stage.silent());  // 0 is still wanted of the running task
    CHECK(stage.core().held() == 2);
    stage.values(run.task.number, 0, 2);
    CHECK(stage.expect<PushResults>().message.count == 1);
    stage.finished(run.task.number);
    auto rest = stage.expect<Run>();
    CHECK(rest.task.first == 4);
    CHECK(rest.task.count == 1);
    CHECK(rest.task.body.view() == numbers(4, 1).view());
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().runs[0].range == Range{0, 1});
    stage.say(wire::Release{.items = {{job_one, {{4, 5}}}}});
    CHECK(stage.expect<Stop>().task == rest.task.number);
    stage.values(rest.task.number, 4, 1);  // it ended before it could be stopped
    stage.finished(rest.task.number);
    CHECK(stage.core().held() == 0);
}

TEST_CASE("worker: a dropped job is stopped, freed and forgotten") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 2, 2);
    stage.dispatch(job_two, 0, 1);
    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();
    stage.say(wire::Drop{job_one});
    CHECK(stage.expect<Stop>().task == run.task.number);
    CHECK(stage.core().kept_bytes() == 0);
    CHECK(stage.core().held() == 1);
    stage.values(run.task.number, 1, 1);
    stage.finished(run.task.number);
    CHECK(stage.expect<Run>().task.job == job_two);
    stage.tick(2ms);
    stage.expect<wire::Done>();
    stage.say(wire::Dispatch{.sequence = 4, .job = job_one, .first = 0, .count = 1, .brief = {}},
              numbers(0, 1));
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().returned[0].job == job_one);  // its brief is gone
}

TEST_CASE("worker: what a finished task has not reported runs again, first of all") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 5);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 8, 1);
    stage.values(run.task.number, 1, 2);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    auto again = stage.expect<Run>();
    CHECK(again.task.first == 0);
    CHECK(again.task.count == 1);
    CHECK(again.task.number != run.task.number);
    stage.tick(2ms);
    stage.expect<wire::Done>();
}

TEST_CASE(
    "worker: an overrun fragment is a timeout, the rest of its task goes on elsewhere, the slot is "
    "stuck until it returns") {
    Stage stage(2);
    stage.connect();
    stage.timeout = 1500ms;
    stage.dispatch(job_one, 0, 5);
    auto run = stage.expect<Run>();
    stage.values(run.task.number, 0, 2);
    stage.expect<PushResults>();
    stage.expect<wire::Done>();
    stage.step(Overran{.task = run.task.number, .index = 2});
    auto rest = stage.expect<Run>();
    CHECK(rest.slot == 1);
    CHECK(rest.task.first == 3);
    CHECK(rest.task.count == 2);
    stage.tick(2ms);
    auto done = stage.expect<wire::Done>();
    REQUIRE(done.failures.size() == 1);
    const wire::Failure& failure = done.failures[0].failures[0];
    CHECK(failure.index == 2);
    CHECK(failure.kind == wire::FailureKind::timeout);
    CHECK(failure.message == "took longer than its timeout of 1.5s");
    stage.tick(500ms);
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.stuck_slots == 1);
    CHECK(heartbeat.held[0].ranges == Ranges{{3, 5}});

    SUBCASE("it returns: what it says now counts for nothing") {
        stage.values(run.task.number, 2, 3);
        stage.finished(run.task.number);
        stage.tick(500ms);
        CHECK(stage.expect<wire::Heartbeat>().stuck_slots == 0);
    }
    SUBCASE("all slots are stuck: the worker gives back what it has and leaves") {
        stage.step(Overran{.task = rest.task.number, .index = 3});
        auto last = stage.expect<wire::Done>();
        CHECK(last.failures[0].failures[0].index == 3);
        CHECK(last.returned[0].ranges == Ranges{{4, 5}});
        CHECK(stage.expect<wire::Bye>().reason.find("stuck") != std::string::npos);
        CHECK(stage.expect<Leave>().error ==
              "all 2 slots are stuck in handlers that ran past their timeout: 'square'");
        stage.tick(1s);
        CHECK(stage.silent());
    }
}

TEST_CASE("worker: a spare takes a stuck slot's place; when all are stuck, what comes fails") {
    Stage stage(1, 1);
    stage.connect();
    stage.timeout = 1s;
    stage.dispatch(job_one, 0, 1);
    auto first = stage.expect<Run>();
    stage.dispatch(job_one, 1, 3);  // waits: there is one slot, though there are two places
    stage.step(Overran{.task = first.task.number, .index = 0});
    auto second = stage.expect<Run>();
    CHECK(second.slot != first.slot);
    stage.tick(2ms);
    stage.expect<wire::Done>();
    stage.tick(500ms);
    CHECK(stage.expect<wire::Heartbeat>().stuck_slots == 0);

    stage.step(Overran{.task = second.task.number, .index = 1});
    stage.tick(2ms);
    auto done = stage.expect<wire::Done>();
    std::vector<wire::Failure> failures;
    for (const auto& job : done.failures)
        failures.insert(failures.end(), job.failures.begin(), job.failures.end());
    REQUIRE(failures.size() == 3);
    CHECK(failures[0].kind == wire::FailureKind::timeout);
    CHECK(failures[1].index == 2);
    CHECK(failures[1].message.find("hold all 2 threads of this worker: 'square'") !=
          std::string::npos);
    CHECK(done.returned.empty());
    stage.dispatch(job_two, 0, 2, 1, "cube");  // of another function
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().failures[0].failures.size() == 2);
    stage.tick(500ms);
    CHECK(stage.expect<wire::Heartbeat>().stuck_slots == 0);  // it still answers

    stage.finished(first.task.number);
    stage.dispatch(job_two, 2, 1, 1, "cube");
    CHECK(stage.expect<Run>().slot == first.slot);
    stage.dispatch(job_two, 3, 1, 1, "cube");
    CHECK(stage.silent());  // one is stuck, one runs
}

}  // namespace fanfold::worker
