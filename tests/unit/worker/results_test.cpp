// The worker's core as scripts, the part about results: what is pushed and kept, and what
// the broker is told of it.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/worker_harness.hpp"
#include "worker/core/core.hpp"

namespace fanfold::worker {

using namespace testing;

TEST_CASE("worker: results that stand still are pushed again, less and less often") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 2);
    auto run = stage.expect<Run>();
    stage.values(run.task.number, 0, 2);
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    stage.expect<wire::Done>();
    std::vector<int> pushes;  // in half seconds since
    for (int half = 1; half <= 60; ++half) {
        stage.now += 500ms;
        stage.say(wire::Heartbeat{});
        stage.expect<wire::Heartbeat>();
        if (stage.silent()) continue;
        CHECK(stage.expect<PushResults>().message.count == 2);
        pushes.push_back(half);
    }
    CHECK(pushes == std::vector<int>{4, 12, 28, 60});  // after 2 s, 4 s more, 8 s more, 16 s more
    stage.say(wire::Release{.items = {{job_one, {{0, 2}}}}});
    CHECK(stage.core().kept_bytes() == 0);
}

TEST_CASE(
    "worker: the broker has results pushed to another gatherer, and later ones go there too") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 4);
    auto run = stage.expect<Run>();
    stage.values(run.task.number, 0, 1);
    stage.expect<PushResults>();
    stage.values(run.task.number, 1, 2);
    stage.expect<PushResults>();
    stage.say(wire::SendAgain{
        .job = job_one, .assignment = 2, .gatherer = second_gatherer, .ranges = {{1, 2}, {2, 3}}});
    auto again = stage.expect<PushResults>();
    CHECK(again.to == second_gatherer);
    CHECK(again.message.first == 1);
    CHECK(again.message.count == 2);
    CHECK(stage.silent());
    stage.say(wire::SendAgain{
        .job = job_one, .assignment = 1, .gatherer = first_gatherer, .ranges = {{0, 3}}});
    CHECK(stage.silent());  // an order of an earlier assignment
    stage.values(run.task.number, 3, 1);
    CHECK(stage.expect<PushResults>().to == second_gatherer);
    stage.tick(2ms);
    CHECK(stage.expect<wire::Done>().runs[0].range == Range{0, 4});
}

TEST_CASE("worker: full of unconfirmed results it starts nothing, and gives back what waits") {
    Stage stage;
    stage.connect();
    stage.dispatch(job_one, 0, 1);
    auto run = stage.expect<Run>();
    stage.dispatch(job_one, 1, 1);
    std::string value = wire::pack_bytes(std::string(limits::worker_kept_bytes, 'x'));
    stage.step(Values{.task = run.task.number,
                      .first = 0,
                      .count = 1,
                      .body = Slice::take(value),
                      .started = {},
                      .elapsed = {}});
    stage.expect<PushResults>();
    stage.finished(run.task.number);
    CHECK(stage.expect<wire::Done>().runs.size() == 1);
    CHECK(stage.core().next_wakeup() == stage.now + 100ms);
    SUBCASE("it gets room in time") {
        stage.say(wire::Release{.items = {{job_one, {{0, 1}}}}});
        CHECK(stage.expect<Run>().task.first == 1);
    }
    SUBCASE("it does not") {
        stage.tick(100ms);
        CHECK(stage.expect<wire::Done>().returned[0].ranges == Ranges{{1, 2}});
        stage.tick(10ms);
        stage.dispatch(job_one, 1, 1);
        CHECK(stage.silent());  // no quicker than that, or it would come and go without end
        stage.tick(90ms);
        CHECK(stage.expect<wire::Done>().returned[0].ranges == Ranges{{1, 2}});
    }
}

TEST_CASE("worker: what the broker is told is cut within the limits") {
    DoneBatch batch;
    std::string long_message(limits::text_bytes, 'm');
    constexpr std::uint64_t count = 100;
    Slice output = Slice::take(std::string(std::size_t{8} << 20, 'o'));
    for (Index i = 0; i < count; ++i) {
        batch.failed(job_one, {.index = i, .message = long_message, .worker = "w1"},
                     i < 40 ? output : Slice());
        batch.returned(job_two, {10 * i, 10 * i + 1});
        batch.finished({.job = job_two, .range = {10 * i + 5, 10 * i + 6}});
    }
    std::uint64_t failures = 0;
    std::uint64_t returned = 0;
    std::uint64_t runs = 0;
    auto messages = batch.take();
    CHECK(batch.empty());
    CHECK(messages.size() > 3);
    for (const DoneMessage& part : messages) {
        CHECK(wire::encode(part.message).size() <= limits::header_bytes / 2);
        CHECK(part.body.size() <= limits::body_bytes);
        std::uint64_t outputs = 0;
        for (const auto& group : part.message.failures) {
            failures += group.failures.size();
            for (const auto& failure : group.failures) outputs += failure.output_bytes;
        }
        CHECK(outputs == part.body.size());
        for (const auto& group : part.message.returned) returned += group.ranges.size();
        runs += part.message.runs.size();
    }
    CHECK(failures == count);
    CHECK(returned == count);
    CHECK(runs == count);
}

TEST_CASE("worker: kept results are cut at releases and found by their ranges") {
    KeptResults kept;
    Time now{};
    kept.add({{0, 10}, {}, numbers(0, 10)}, now);
    kept.add({{20, 30}, {}, numbers(20, 10)}, now);
    kept.release({3, 5}, now);
    kept.release({28, 40}, now);
    kept.check_invariants();
    CHECK(kept.indices().ranges() == Ranges{{0, 3}, {5, 10}, {20, 28}});
    CHECK(kept.bytes() == 16);
    auto found = kept.overlapping({{2, 6}, {7, 8}, {27, 50}}, 1000);
    REQUIRE(found.size() == 3);
    CHECK(found[1]->body.view() == numbers(5, 5).view());
    CHECK(found[2]->range == Range{20, 28});
    CHECK(kept.overlapping({{0, 100}}, 4).size() == 1);
    CHECK(kept.overlapping({{0, 100}}, 1).size() == 1);  // one at least
    CHECK(kept.overlapping({{10, 20}}, 1000).empty());
    kept.release({0, 100}, now);
    CHECK(kept.empty());
    CHECK(kept.bytes() == 0);
}

}  // namespace fanfold::worker
