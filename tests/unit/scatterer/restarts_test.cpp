// What restarts of servers with stores must not change for their peers. Each was found by the
// simulator.
#include <doctest/doctest.h>

#include "tests/support/broker_durable_harness.hpp"
#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

TEST_CASE("a job that is opened beside an unnoticed death of its gatherer goes to its next life") {
    broker::Stage stage;
    stage.quiet = true;
    stage.client("c");
    stage.worker("w");
    stage.gatherer("a", 1);
    // The same name: the first is dead, and its connection does not show it.
    stage.gatherer("z", 2);
    JobId job = stage.open(1, 2);
    CHECK(stage.core->jobs().at(job).assignment->gatherer == PeerId{"z"});
    CHECK(stage.core->sessions().size() == 3);
    stage.say("a", wire::Heartbeat{});
    // Should it live after all, it says Hello again.
    CHECK(stage.take<wire::Refused>("a").code == wire::RefusalCode::unknown_session);
}

TEST_CASE("a client whose first block was faster than its hello finds its job after a restart") {
    broker::Durable stage;
    stage.gatherer("g");
    JobId job = stage.open(1, 1);
    stage.forget("c");
    stage.client("c");
    stage.restart();
    stage.client("d");  // the same life of it on another connection
    CHECK(stage.job(job).client->peer == PeerId{"d"});
    CHECK(!stage.job(job).client->lease_until);
}

TEST_CASE("as completed, results of a gatherer that reads its store go on at the same position") {
    scatterer::testing::Bench bench;
    bench.connect();
    bench.open_ten({.ordered = false, .now = false});
    auto located = [&](Epoch epoch) {
        auto gatherer = scatterer::testing::gatherer("G1");
        gatherer.epoch = epoch;
        bench.broker(wire::Located{scatterer::testing::job, 1, gatherer});
    };
    located({1, 8});  // it had no store before: from the start
    CHECK(bench.asked<wire::Collect>("G1").position == 0);
    auto key = scatterer::GathererKey{};
    auto gatherer = scatterer::testing::gatherer("G1");
    gatherer.epoch = {1, 8};
    key = scatterer::key_of(gatherer);
    wire::Values values{
        .job = scatterer::testing::job, .position = 4, .first = 0, .count = 4, .meta = {}};
    values.position = 1;
    bench.step(scatterer::FromGatherer{key, values, Slice::take(std::string(4, '\xc0'))});
    bench.expect_delivery({0, 4}, 1);
    located({2, 9});
    CHECK(bench.asked<wire::Collect>("G1").position == 1);
    located({0, 10});  // its store is gone
    CHECK(bench.asked<wire::Collect>("G1").position == 0);
    bench.actions.clear();
}

TEST_CASE(
    "a job that its client gave up for want of a broker is cancelled when the broker is back") {
    scatterer::testing::Bench bench;
    bench.connect();
    bench.open();
    bench.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), {}});
    bench.pass(12s, false);
    bench.actions.clear();
    bench.broker(scatterer::testing::welcome());
    bench.actions.clear();
    bench.accept(10);
    CHECK(bench.sent<wire::Cancel>().job == scatterer::testing::job);
}

TEST_CASE("by the broker's word too, failed fragments are listed as missing") {
    scatterer::testing::Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {1, 10});
    bench.expect_delivery({1, 10}, 1);
    bench.from("G1", wire::Failures{scatterer::testing::job, 2, {scatterer::testing::failure(0)}});
    bench.take<scatterer::DeliverFailure>();
    bench.broker(wire::Ended{.job = scatterer::testing::job,
                             .assignment = 1,
                             .outcome = wire::Outcome::partial,
                             .reason = {},
                             .total = 10,
                             .values = 9,
                             .missing = {}});
    bench.take<scatterer::JobEnded>();
    std::optional<wire::Concluded> end;
    while (!end) {
        bench.pass(1s);
        while (!bench.actions.empty()) {
            if (auto* concluded = std::get_if<scatterer::JobConcluded>(&bench.actions.front()))
                end = concluded->end;
            bench.actions.pop_front();
        }
        REQUIRE(bench.now < Time{1100s});
    }
    REQUIRE(end->missing.size() == 1);
    CHECK(end->missing[0].reason == "failed");
    CHECK(end->missing[0].ranges == std::vector<Range>{{0, 1}});
}

TEST_CASE("a Welcome of an earlier life that is late on its way does not end a client's jobs") {
    scatterer::testing::Bench bench;
    auto of_life = [](std::uint64_t number) {
        auto welcome = scatterer::testing::welcome(number + 100);
        welcome.epoch.number = number;
        return welcome;
    };
    bench.connect();
    bench.broker(of_life(5));
    bench.actions.clear();
    bench.open();
    bench.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), 10});
    bench.actions.clear();
    bench.broker(of_life(4));
    bench.sent<wire::Hello>();
    bench.expect_nothing();
    bench.broker(of_life(5));  // the answer
    bench.actions.clear();
    bench.broker(of_life(3));
    bench.sent<wire::Hello>();
    bench.broker(of_life(3));  // it was started from an older folder
    CHECK(bench.take<scatterer::JobConcluded>().end.outcome == wire::Outcome::failed);
    bench.actions.clear();
}

TEST_CASE(
    "results are asked for where they are, though the job had ended before anybody collected") {
    scatterer::testing::Bench bench;
    bench.connect();
    bench.step(
        scatterer::OpenJob{scatterer::testing::job, 77, scatterer::testing::spec(false), {}});
    bench.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), {}});
    bench.pushed();
    bench.broker(wire::Ended{.job = scatterer::testing::job,
                             .assignment = 1,
                             .outcome = wire::Outcome::complete,
                             .reason = {},
                             .total = {},
                             .values = 1,
                             .missing = {}});
    bench.take<scatterer::JobEnded>();
    bench.step(scatterer::CollectJob{scatterer::testing::job, {}});
    CHECK(bench.sent<wire::Watch>().job == scatterer::testing::job);
    bench.expect_nothing();
    bench.locate("G1", 1);
    bench.take<scatterer::JobLocated>();
    bench.asked<wire::Collect>("G1");
}

TEST_CASE("an end that comes before the answer to a question about a gap is not the last word") {
    scatterer::testing::Bench bench;
    bench.connect();
    bench.open_ten({.ordered = false, .now = false});
    for (int stream = 0; stream < 2;
         ++stream) {  // 0 to 6 went to an earlier question, and are let go of
        bench.values("G1", 3, {6, 8});
        if (stream == 0) CHECK(bench.asked<wire::Collect>("G1").position == 0);
        else bench.expect_delivery({6, 8}, 3);
        bench.values("G1", 4, {8, 10});
        if (stream == 1) bench.expect_delivery({8, 10}, 4);
        bench.concluded("G1", 4);
        if (stream == 0) CHECK(bench.asked<wire::Collect>("G1").position == 0);
    }
    CHECK(bench.take<scatterer::JobConcluded>().end.values == 4);
}

TEST_CASE("a worker whose results are adopted after a restart is told where they belong") {
    broker::Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 1);
    stage.restart();
    stage.fleet();
    stage.say("w", wire::Heartbeat{.handled = 0, .held = {}, .kept = {{job, {{0, 1}}}}});
    auto again = stage.take<wire::SendAgain>("w");
    CHECK(again.gatherer.name == "G");
    CHECK(again.ranges == std::vector<Range>{{0, 1}});
}
