// Loss known by order: what a worker asks by a Mark, and what the broker's heartbeats tell it.
#include <doctest/doctest.h>

#include "shared/wire/objects.hpp"
#include "tests/support/worker_harness.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {
constexpr Duration slow = 50s;

/// A chunk of two fragments is done, and its values are pushed to a gatherer that knows marks.
void push_two(Stage& stage) {
    wire::GathererRef gatherer = first_gatherer;
    gatherer.minor = wire::minor_of_marks;
    wire::JobSpec spec{.function = "square", .owner = {}};
    stage.say(wire::Dispatch{.sequence = ++stage.sequence,
                             .job = job_one,
                             .first = 0,
                             .count = 2,
                             .brief = wire::JobBrief{spec, 1, gatherer}},
              numbers(0, 2));
    auto run = stage.expect<Run>();
    stage.values(run.task.number, 0, 2);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    stage.expect<wire::Done>();
}

/// The numbers of the marks that are pushed meanwhile.
std::vector<std::uint64_t> marks_during(Stage& stage, Duration time) {
    std::vector<std::uint64_t> marks;
    for (Time end = stage.now + time; stage.now < end;) {
        stage.now += 500ms;
        stage.say(wire::Heartbeat{});
        stage.expect<wire::Heartbeat>();
        if (!stage.silent()) marks.push_back(stage.expect<PushMark>().mark.number);
    }
    return marks;
}
}  // namespace

TEST_CASE("worker: results on a slow link are asked for, and never pushed again by time") {
    Stage stage;
    stage.connect();
    push_two(stage);
    auto marks = marks_during(stage, slow);
    CHECK(marks.size() == 4);  // after 2 s, 4 s more, 8 s more, 16 s more
    stage.say(wire::Release{.items = {{job_one, {{0, 2}}}}});
    stage.say(wire::Marked{.job = job_one, .number = marks.front()});
    CHECK(stage.silent());
    CHECK(stage.core().kept_bytes() == 0);
}

TEST_CASE("worker: what was not released before the answer to a mark is pushed again, once") {
    Stage stage;
    stage.connect();
    push_two(stage);
    auto marks = marks_during(stage, 10s);
    REQUIRE(marks.size() == 2);
    stage.say(wire::Release{.items = {{job_one, {{0, 1}}}}});
    stage.say(wire::Marked{.job = job_one, .number = marks.front()});
    auto again = stage.expect<PushResults>();
    CHECK(again.message.first == 1);
    CHECK(again.message.count == 1);
    stage.say(wire::Marked{.job = job_one, .number = marks.back()});  // from before that
    CHECK(stage.silent());
}

TEST_CASE("worker: a dispatch that never came is known by the broker's next heartbeat") {
    Stage stage;
    stage.connect();
    stage.say(wire::Heartbeat{.handled = 2});  // two were sent, and lost
    CHECK(stage.expect<wire::Heartbeat>().handled == 2);
    stage.say(wire::Heartbeat{.handled = 2});
    CHECK(stage.silent());
    stage.sequence = 1;
    stage.dispatch(job_one, 0, 1);  // late, after another has it
    CHECK(stage.silent());
    stage.dispatch(job_one, 5, 1);
    CHECK(stage.expect<Run>().task.first == 5);
}

TEST_CASE("worker: it tells what has come of long payloads, and hears of parts that it lives") {
    Stage stage;
    stage.connect();
    wire::JobSpec spec{.function = "square", .owner = {}};
    std::string payload = wire::pack_bytes(std::string(100'000, 'x'));
    stage.say(wire::Dispatch{.sequence = 1,
                             .job = job_one,
                             .first = 0,
                             .count = 1,
                             .brief = wire::JobBrief{spec, 1, first_gatherer}},
              Slice::take(payload));
    stage.expect<Run>();
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().arrived == 1);
    for (int i = 0; i < 20;
         ++i) {  // nothing but parts of the next one, for longer than the timeout
        stage.now += 1s;
        stage.step(Arriving{});
        stage.skip<wire::Heartbeat>();
    }
    CHECK(stage.silent());  // no other connection
}

}  // namespace fanfold::worker
