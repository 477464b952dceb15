// Handlers that wait for inner jobs: whose thread runs what, in the worker's core.
#include <doctest/doctest.h>

#include <optional>

#include "tests/support/worker_harness.hpp"

using namespace fanfold;
using namespace fanfold::worker;
using namespace fanfold::worker::testing;

namespace {

struct Nesting : Stage {
    using Stage::Stage;
    /// A fragment of job n, within those attempts.
    void lend(std::uint64_t n, Index index, std::vector<wire::OuterAttempt> outer) {
        wire::JobSpec spec{.function = "square", .timeout = timeout, .owner = {}};
        spec.outer = std::move(outer);
        wire::JobBrief brief{.spec = spec, .assignment = 1, .gatherer = first_gatherer};
        say(wire::Dispatch{.sequence = ++sequence,
                           .job = job_number(n),
                           .first = index,
                           .count = 1,
                           .brief = brief},
            numbers(index, 1));
    }
    static JobId job_number(std::uint64_t n) { return fanfold::testing::job_number(n); }
    static wire::OuterAttempt first_of(std::uint64_t n) {
        return {.job = job_number(n), .index = 0, .attempt = 1};
    }
    /// The only fragment of a task has its value, and the task ends. What runs next, if anything.
    std::optional<Run> end(const Run& run) {
        values(run.task.number, run.task.first, 1);
        finished(run.task.number);
        std::optional<Run> next;
        for (Action& action : take_rest())
            if (auto* begun = std::get_if<Run>(&action)) next = *begun;
        return next;
    }
    /// A fragment of job 1 runs, and waits.
    Run begin() {
        connect();
        lend(1, 0, {});
        Run run = expect<Run>();
        step(Waits{.task = run.task.number, .waits = true});
        return run;
    }
};

}  // namespace

TEST_CASE("what a handler waits for runs on its thread, and nothing else does") {
    Nesting worker;
    const Run outer = worker.begin();
    CHECK_FALSE(outer.host);
    worker.lend(2, 0, {});  // of an ordinary job
    worker.lend(3, 0, {Nesting::first_of(1)});
    const Run guest = worker.expect<Run>();
    CHECK(guest.task.job == Nesting::job_number(3));
    CHECK(guest.host == outer.slot);
    CHECK(guest.slot != outer.slot);

    worker.lend(3, 1, {Nesting::first_of(1)});  // the thread has a guest
    worker.step(Waits{.task = guest.task.number, .waits = true});
    worker.lend(4, 0, {Nesting::first_of(1), Nesting::first_of(3)});
    const Run deeper = worker.expect<Run>();
    CHECK(deeper.task.job == Nesting::job_number(4));
    CHECK(deeper.host == guest.slot);
    CHECK_FALSE(worker.end(deeper));
    worker.step(Waits{.task = guest.task.number, .waits = false});
    auto next = worker.end(guest);
    REQUIRE(next);
    CHECK(next->task.job == Nesting::job_number(3));
    CHECK(next->task.first == 1);
    CHECK(next->host == outer.slot);
    worker.step(Waits{.task = outer.task.number, .waits = false});
    CHECK_FALSE(worker.end(*next));
    auto ordinary = worker.end(outer);
    REQUIRE(ordinary);
    CHECK(ordinary->task.job == Nesting::job_number(2));
    CHECK_FALSE(ordinary->host);
}

TEST_CASE("a thread that does not wait any more gets its guest back into the queue") {
    Nesting worker;
    const Run outer = worker.begin();
    worker.lend(3, 0, {Nesting::first_of(1)});
    const Run guest = worker.expect<Run>();
    worker.step(Waits{.task = outer.task.number, .waits = false});
    worker.finished(guest.task.number);
    worker.tick();
    worker.step(Waits{.task = outer.task.number, .waits = true});
    CHECK(worker.expect<Run>().host == outer.slot);
}

TEST_CASE("a free slot is taken first, and then the thread that waits") {
    Nesting worker(2);
    const Run outer = worker.begin();
    worker.lend(3, 0, {Nesting::first_of(1)});
    CHECK_FALSE(worker.expect<Run>().host);
    worker.lend(3, 1, {Nesting::first_of(1)});
    CHECK(worker.expect<Run>().host == outer.slot);
}

TEST_CASE("a guest that overran holds its host's slot, too") {
    Nesting worker(1, 1);
    worker.timeout = wire::Milliseconds(100);
    worker.begin();
    worker.lend(3, 0, {Nesting::first_of(1)});
    const Run guest = worker.expect<Run>();
    worker.lend(2, 0, {});
    worker.step(Overran{.task = guest.task.number, .index = 0});
    const Run spare = worker.expect<Run>();
    CHECK(spare.task.job == Nesting::job_number(2));
    CHECK_FALSE(spare.host);
    worker.tick(10ms);
    worker.take_rest();
}

TEST_CASE("a worker that drains takes what its handlers wait for, and gives the rest back") {
    Nesting worker;
    const Run outer = worker.begin();
    worker.lend(3, 0, {Nesting::first_of(1)});
    const Run guest = worker.expect<Run>();
    worker.lend(2, 0, {});
    worker.lend(3, 1, {Nesting::first_of(1)});
    worker.step(Drain{});
    worker.take_rest();
    worker.lend(3, 2, {Nesting::first_of(1)});
    worker.take_rest();
    worker.values(guest.task.number, 0, 1);
    worker.finished(guest.task.number);
    worker.take_rest();
    CHECK(worker.core().held() == 3);  // the outer fragment, and two of the inner job
}
