// The worker's core as scripts, the part about what the broker recalls.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/worker_harness.hpp"
#include "worker/core/core.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {

wire::Recall recall(std::uint64_t number, const JobId& job, Ranges ranges) {
    return {.number = number, .items = {{job, std::move(ranges)}}};
}

/// The answer, which says of one job what is given back.
void check_answer(const wire::Done& done, std::uint64_t number, const Ranges& ranges) {
    CHECK(done.recall == number);
    if (ranges.empty()) {
        CHECK(done.recalled.empty());
        return;
    }
    REQUIRE(done.recalled.size() == 1);
    CHECK(done.recalled[0].job == job_one);
    CHECK(done.recalled[0].ranges == ranges);
}

}  // namespace

TEST_CASE("worker: what waits for a slot is given back at once when it is recalled") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_two, 0, 1);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 0, 10);
    stage.dispatch(job_one, 20, 2);
    stage.say(recall(1, job_one, {{4, 6}, {9, 30}}));
    check_answer(stage.expect<wire::Done>(), 1, {{4, 6}, {9, 10}, {20, 22}});
    CHECK(stage.core().held() == 8);
    stage.tick(500ms);
    auto heartbeat = stage.expect<wire::Heartbeat>();
    CHECK(heartbeat.held[0].ranges == Ranges{{0, 4}, {6, 9}});
    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    auto rest = stage.expect<Run>();
    CHECK(rest.task.first == 0);
    CHECK(rest.task.count == 4);
    CHECK(rest.task.body.view() == numbers(0, 4).view());
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().recall == 1);
    stage.dispatch(job_one, 20, 2);  // it may come back
    CHECK(stage.core().held() == 9);
}

TEST_CASE("worker: a recall is answered also when nothing can be given back") {
    Stage stage;
    stage.connect();
    SUBCASE("nothing is here") { stage.say(recall(1, job_one, {{0, 100}})); }
    SUBCASE("it is kept already") {
        stage.dispatch(job_one, 0, 1);
        auto run = stage.expect<Run>();
        stage.values(run.task.number, 0, 1);
        stage.expect<PushResults>();
        stage.finished(run.task.number);
        CHECK(stage.expect<wire::Done>().recall == 0);
        stage.say(recall(1, job_one, {{0, 100}}));
        CHECK(stage.core().kept_bytes() == 1);
    }
    check_answer(stage.expect<wire::Done>(), 1, {});
}

TEST_CASE("worker: the tail of a running task is given back when its executor has let go of it") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 100);
    auto run = stage.expect<Run>();
    stage.say(recall(1, job_one, {{10, 1000}}));
    auto trim = stage.expect<Trim>();
    CHECK(trim.task == run.task.number);
    CHECK(trim.from == 10);
    CHECK(stage.silent());  // the answer waits for the executor's
    stage.step(Trimmed{.task = trim.task, .range = {12, 100}});
    check_answer(stage.expect<wire::Done>(), 1, {{12, 100}});
    CHECK(stage.core().held() == 12);
    stage.values(run.task.number, 0, 12);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    CHECK(stage.expect<wire::Done>().runs[0].range == Range{0, 12});
    CHECK(stage.core().held() == 0);
}

TEST_CASE("worker: what a task has let go of, and no recall asks for, runs again here") {
    Stage stage(2);
    stage.connect();
    stage.dispatch(job_one, 0, 100);
    auto run = stage.expect<Run>();
    stage.say(recall(1, job_one, {{10, 20}, {50, 60}}));
    CHECK(stage.expect<Trim>().from == 10);
    stage.step(Trimmed{.task = run.task.number, .range = {15, 100}});
    auto between = stage.expect<Run>();
    CHECK(between.slot == 1);
    CHECK(between.task.first == 20);
    CHECK(between.task.count == 30);
    CHECK(between.task.body.view() == numbers(20, 30).view());
    check_answer(stage.expect<wire::Done>(), 1, {{15, 20}, {50, 60}});
    CHECK(stage.core().held() == 85);
}

TEST_CASE("worker: a task that ends before its executor hears of the recall") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 4);
    auto run = stage.expect<Run>();
    stage.say(recall(1, job_one, {{0, 4}}));
    stage.expect<Trim>();
    stage.values(run.task.number, 0, 2);
    stage.expect<PushResults>();
    SUBCASE("with all that it had") {
        stage.values(run.task.number, 2, 2);
        stage.expect<PushResults>();
        stage.finished(run.task.number);
        CHECK(stage.expect<wire::Done>().recall == 0);
        stage.step(Trimmed{.task = run.task.number, .range = {}});
        check_answer(stage.expect<wire::Done>(), 1, {});
    }
    SUBCASE("with a part: the rest is not begun again") {
        stage.finished(run.task.number);
        check_answer(stage.expect<wire::Done>(), 0, {{2, 4}});
        stage.step(Trimmed{.task = run.task.number, .range = {}});
        check_answer(stage.expect<wire::Done>(), 1, {});
    }
    SUBCASE("its handler overran") {
        stage.step(Overran{.task = run.task.number, .index = 2});
        auto done = stage.expect<wire::Done>();
        CHECK(done.failures[0].failures[0].index == 2);
        CHECK(done.recalled[0].ranges == Ranges{{3, 4}});
        stage.expect<wire::Bye>();  // its only slot is stuck
        stage.expect<Leave>();
        return;
    }
    CHECK(stage.core().held() == 0);
}

TEST_CASE("worker: a recall is obeyed when all its tasks have answered") {
    Stage stage(2);
    stage.connect();
    stage.dispatch(job_one, 0, 10);
    stage.dispatch(job_one, 10, 10);
    stage.expect<Run>();
    stage.expect<Run>();
    stage.say(recall(3, job_one, {{0, 100}}));
    auto first = stage.expect<Trim>();
    auto second = stage.expect<Trim>();
    stage.step(Trimmed{.task = second.task, .range = {11, 20}});
    CHECK(stage.silent());
    SUBCASE("and the next recall's too") {
        stage.say(recall(4, job_one, {{5, 7}}));
        CHECK(stage.expect<Trim>().from == 5);
        stage.step(Trimmed{.task = first.task, .range = {8, 10}});
        CHECK(stage.silent());
        stage.step(Trimmed{.task = first.task, .range = {6, 8}});
        check_answer(stage.expect<wire::Done>(), 4, {{6, 10}, {11, 20}});
    }
    SUBCASE("one whose number is past is not looked at") {
        stage.say(recall(3, job_one, {{0, 100}}));
        stage.say(recall(2, job_one, {{0, 100}}));
        CHECK(stage.silent());
        stage.step(Trimmed{.task = first.task, .range = {}});
        check_answer(stage.expect<wire::Done>(), 3, {{11, 20}});
    }
    SUBCASE("a new session numbers them anew") {
        stage.say(wire::Refused{
            .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
        stage.expect<wire::Hello>();
        stage.welcome(2);
        check_answer(stage.expect<wire::Done>(), 0, {{11, 20}});
        CHECK(stage.expect<wire::Heartbeat>().held[0].ranges == Ranges{{0, 11}});
        stage.say(recall(1, job_one, {{10, 11}}));
        CHECK(stage.expect<Trim>().from == 10);
        stage.step(Trimmed{.task = second.task, .range = {}});
        CHECK(stage.silent());
        stage.step(Trimmed{.task = first.task, .range = {9, 10}});  // nobody asks for it any more
        check_answer(stage.expect<wire::Done>(), 1, {});
        CHECK(stage.core().held() == 11);
    }
}

TEST_CASE("worker: a job that is dropped while its tail is recalled") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 10);
    auto run = stage.expect<Run>();
    stage.say(recall(1, job_one, {{2, 10}}));
    stage.expect<Trim>();
    stage.say(wire::Drop{job_one});
    CHECK(stage.expect<Stop>().task == run.task.number);
    stage.step(Trimmed{.task = run.task.number, .range = {2, 10}});
    check_answer(stage.expect<wire::Done>(), 1, {});
    stage.finished(run.task.number);
    CHECK(stage.core().held() == 0);
}

TEST_CASE("worker: the last message of many says which recall is obeyed") {
    DoneBatch batch;
    std::string long_message(limits::text_bytes, 'm');
    for (Index i = 0; i < 100; ++i) {
        batch.failed(job_one, {.index = i, .message = long_message, .worker = "w1"}, {});
        batch.recalled(job_two, {10 * i, 10 * i + 1});
    }
    batch.obeyed(7);
    CHECK(batch.answers_recall());
    auto messages = batch.take();
    CHECK(batch.empty());
    REQUIRE(messages.size() > 1);
    std::size_t recalled = 0;
    for (const DoneMessage& part : messages) {
        CHECK(part.message.recall == (&part == &messages.back() ? 7 : 0));
        for (const auto& group : part.message.recalled) recalled += group.ranges.size();
    }
    CHECK(recalled == 100);
    batch.returned(job_one, {0, 1});
    CHECK(batch.take()[0].message.recall == 7);
    batch.begin_session();
    CHECK(batch.empty());
}

TEST_CASE("worker: after a failure that its job does not tolerate, the rest goes back at once") {
    Stage stage(2);
    stage.connect();
    wire::JobBrief brief{.spec = {.function = "square", .tolerance = true, .owner = {}},
                         .assignment = 1,
                         .gatherer = first_gatherer};
    auto dispatch = [&](Range range, bool with_brief) {
        stage.say(wire::Dispatch{.sequence = ++stage.sequence,
                                 .job = job_one,
                                 .first = range.begin,
                                 .count = static_cast<std::uint32_t>(range.size()),
                                 .brief = with_brief ? std::optional(brief) : std::nullopt},
                  numbers(range.begin, range.size()));
    };
    dispatch({0, 3}, true);
    dispatch({3, 6}, false);
    dispatch({6, 8}, false);  // waits
    auto first = stage.expect<Run>();
    auto second = stage.expect<Run>();
    stage.failed(first.task.number, 0, "no");
    CHECK(stage.expect<Trim>().task == first.task.number);
    CHECK(stage.expect<Trim>().task == second.task.number);
    stage.finished(first.task.number);
    auto done = stage.expect<wire::Done>();
    CHECK(done.failures.size() == 1);
    check_answer(done, 0, {{1, 3}, {6, 8}});
    stage.step(Trimmed{.task = first.task.number, .range = {}});
    stage.step(Trimmed{.task = second.task.number, .range = {4, 6}});
    check_answer(stage.expect<wire::Done>(), 0, {{4, 6}});
    CHECK(stage.core().held() == 1);

    SUBCASE("what the broker sent before it heard of that goes back, too") {
        dispatch({8, 9}, false);
        CHECK(stage.expect<wire::Done>().returned.at(0).ranges == Ranges{{8, 9}});
    }
    SUBCASE("what it sends later comes with the brief, and runs") {
        dispatch({8, 9}, true);
        CHECK(stage.expect<Run>().task.first == 8);
    }
    SUBCASE("an attempt that is made again is no failure yet") {
        brief.spec.retries = 1;
        stage.say(wire::Drop{job_one});
        CHECK(stage.expect<Stop>().task == second.task.number);
        stage.finished(second.task.number);
        dispatch({8, 10}, true);
        auto run = stage.expect<Run>();
        stage.failed(run.task.number, 8, "no");
        CHECK(stage.expect<wire::Done>().recalled.empty());
    }
}

}  // namespace fanfold::worker
