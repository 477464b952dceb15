// What restarts of servers with stores must not change for their peers. Each was found by the
// simulator.
#include <doctest/doctest.h>

#include "tests/support/broker_durable_harness.hpp"
#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

TEST_CASE("a job that is opened beside an unnoticed death of its gatherer goes to its next life") {
    broker::Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Located, wire::SendAgain,
                 wire::Sealed>();
    stage.client("c");
    stage.worker("w");
    stage.gatherer("a", 1);
    // The same name: the first is dead, and its connection does not show it.
    auto greet = [&] {
        stage.say("z", wire::Hello{.role = wire::Role::gatherer,
                                   .name = "G",
                                   .epoch = {0, 2},
                                   .gatherer = {.name = "G", .epoch = {0, 2}}});
    };
    greet();
    JobId job = stage.open(1, 2);
    for (int second = 0; second < 6; ++second) {
        stage.pass(1s);
        stage.say("w", wire::Heartbeat{});
        stage.say("c", wire::Heartbeat{});
        if (second < 4) greet();
    }
    greet();
    stage.expect<wire::Welcome>("z");
    CHECK(stage.core->jobs().at(job).assignment->gatherer == PeerId{"z"});
    CHECK(stage.core->sessions().size() == 3);
    stage.say("a", wire::Heartbeat{});
    // Should it live after all, it says Hello again.
    CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::unknown_session);
}

TEST_CASE("a client whose first block was faster than its hello finds its job after a restart") {
    broker::Durable stage;
    stage.gatherer("g");
    JobId job = stage.open(1, 1);
    stage.skip("c");
    stage.client("c");
    stage.restart();
    stage.client("d");  // the same life of it on another connection
    CHECK(stage.job(job).client->peer == PeerId{"d"});
    CHECK(!stage.job(job).client->lease_until);
}

TEST_CASE("as completed, results of a gatherer that reads its store go on at the same position") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open_ten({.ordered = false, .now = false});
    auto located = [&](Epoch epoch) {
        auto gatherer = scatterer::testing::gatherer("G1");
        gatherer.epoch = epoch;
        stage.say(wire::Located{scatterer::testing::job, 1, gatherer});
    };
    located({1, 8});  // it had no store before: from the start
    CHECK(stage.expect<wire::Collect>("G1").position == 0);
    auto key = scatterer::GathererKey{};
    auto gatherer = scatterer::testing::gatherer("G1");
    gatherer.epoch = {1, 8};
    key = scatterer::key_of(gatherer);
    wire::Values values{
        .job = scatterer::testing::job, .position = 4, .first = 0, .count = 4, .meta = {}};
    values.position = 1;
    stage.step(scatterer::FromGatherer{key, values, Slice::take(std::string(4, '\xc0'))});
    stage.expect_delivery({0, 4}, 1);
    located({2, 9});
    CHECK(stage.expect<wire::Collect>("G1").position == 1);
    located({0, 10});  // its store is gone
    CHECK(stage.expect<wire::Collect>("G1").position == 0);
    stage.skip<scatterer::JobLocated>();
}

TEST_CASE(
    "a job that its client gave up for want of a broker is cancelled when the broker is back") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open();
    stage.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), {}});
    stage.pass(12s, false);
    stage.skip<scatterer::PushBlock, wire::Collect, scatterer::JobNotice, scatterer::Reconnect,
               scatterer::ConnectionFailed, scatterer::JobRefused>();
    stage.say(scatterer::testing::welcome());
    stage.skip<scatterer::Connected, wire::Cancel>();
    stage.accept(10);
    CHECK(stage.expect<wire::Cancel>().job == scatterer::testing::job);
}

TEST_CASE("by the broker's word too, failed fragments are listed as missing") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {1, 10});
    stage.expect_delivery({1, 10}, 1);
    stage.say("G1", wire::Failures{scatterer::testing::job, 2, {scatterer::testing::failure(0)}});
    stage.expect<scatterer::DeliverFailure>();
    stage.say(wire::Ended{.job = scatterer::testing::job,
                          .assignment = 1,
                          .outcome = wire::Outcome::partial,
                          .reason = {},
                          .total = 10,
                          .values = 9,
                          .missing = {}});
    stage.expect<scatterer::JobEnded>();
    std::optional<wire::Concluded> end;
    while (!end) {
        stage.pass(1s);
        for (const scatterer::Action& action : stage.take_rest())
            if (auto* concluded = std::get_if<scatterer::JobConcluded>(&action))
                end = concluded->end;
        REQUIRE(stage.now < Time{1100s});
    }
    REQUIRE(end->missing.size() == 1);
    CHECK(end->missing[0].reason == "failed");
    CHECK(end->missing[0].ranges == std::vector<Range>{{0, 1}});
}

TEST_CASE("a Welcome of an earlier life that is late on its way does not end a client's jobs") {
    scatterer::testing::Stage stage;
    auto of_life = [](std::uint64_t number) {
        auto welcome = scatterer::testing::welcome(number + 100);
        welcome.epoch.number = number;
        return welcome;
    };
    stage.connect();
    stage.say(of_life(5));
    stage.skip<scatterer::Connected>();
    stage.open();
    stage.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), 10});
    stage.skip<scatterer::PushBlock, wire::Collect>();
    stage.say(of_life(4));
    stage.expect<wire::Hello>();
    stage.nothing_left();
    stage.say(of_life(5));  // the answer
    stage.skip<scatterer::Connected, scatterer::PushBlock, wire::Watch>();
    stage.say(of_life(3));
    stage.expect<wire::Hello>();
    stage.say(of_life(3));  // it was started from an older folder
    CHECK(stage.expect<scatterer::JobConcluded>().end.outcome == wire::Outcome::failed);
    stage.skip<scatterer::Connected>();
}

TEST_CASE(
    "results are asked for where they are, though the job had ended before anybody collected") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.step(
        scatterer::OpenJob{scatterer::testing::job, 77, scatterer::testing::spec(false), {}});
    stage.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), {}});
    stage.pushed();
    stage.say(wire::Ended{.job = scatterer::testing::job,
                          .assignment = 1,
                          .outcome = wire::Outcome::complete,
                          .reason = {},
                          .total = {},
                          .values = 1,
                          .missing = {}});
    stage.expect<scatterer::JobEnded>();
    stage.step(scatterer::CollectJob{scatterer::testing::job, {}});
    CHECK(stage.expect<wire::Watch>().job == scatterer::testing::job);
    stage.nothing_left();
    stage.locate("G1", 1);
    stage.expect<scatterer::JobLocated>();
    stage.expect<wire::Collect>("G1");
}

TEST_CASE("an end that comes before the answer to a question about a gap is not the last word") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open_ten({.ordered = false, .now = false});
    for (int stream = 0; stream < 2;
         ++stream) {  // 0 to 6 went to an earlier question, and are let go of
        stage.values("G1", 3, {6, 8});
        if (stream == 0) CHECK(stage.expect<wire::Collect>("G1").position == 0);
        else stage.expect_delivery({6, 8}, 3);
        stage.values("G1", 4, {8, 10});
        if (stream == 1) stage.expect_delivery({8, 10}, 4);
        stage.concluded("G1", 4);
        if (stream == 0) CHECK(stage.expect<wire::Collect>("G1").position == 0);
    }
    CHECK(stage.expect<scatterer::JobConcluded>().end.values == 4);
}

TEST_CASE("a worker whose results are adopted after a restart is told where they belong") {
    broker::Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 1);
    stage.restart();
    stage.fleet();
    stage.say("w", wire::Heartbeat{.handled = 0, .held = {}, .kept = {{job, {{0, 1}}}}});
    auto again = stage.expect<wire::SendAgain>("w");
    CHECK(again.gatherer.name == "G");
    CHECK(again.ranges == std::vector<Range>{{0, 1}});
}
