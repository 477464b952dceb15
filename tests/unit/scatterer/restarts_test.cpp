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
    stage.skip<wire::Assign, wire::Mark>("z");
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

namespace {
/// Of a broker with a store.
wire::Welcome of_life(std::uint64_t number) {
    auto welcome = scatterer::testing::welcome(number + 100);
    welcome.epoch.number = number;
    welcome.minor = wire::version_minor;
    return welcome;
}

/// Its block has gone to the broker in its fifth life.
void submit(scatterer::testing::Stage& stage, std::optional<std::uint64_t> total) {
    stage.connect();
    stage.say(of_life(5));
    stage.skip<scatterer::Connected>();
    stage.open();
    stage.step(
        scatterer::AppendBlock{scatterer::testing::job, scatterer::testing::block(0, 10), total});
    stage.skip<scatterer::PushBlock, wire::Collect>();
}
}  // namespace

TEST_CASE("a Welcome of an earlier life that is late on its way does not end a client's jobs") {
    scatterer::testing::Stage stage;
    submit(stage, 10);
    stage.say(of_life(4));
    stage.expect<wire::Hello>();
    stage.nothing_left();
    stage.say(of_life(5));  // the answer
    stage.skip<scatterer::Connected, scatterer::PushBlock, wire::Watch>();
    stage.say(of_life(3));
    stage.expect<wire::Hello>();
    stage.say(of_life(3));  // it was started from an older folder
    stage.skip<scatterer::Connected, scatterer::PushBlock, wire::Watch>();
    stage.say(of_life(0));  // it has none
    CHECK(stage.expect<scatterer::JobConcluded>().end.outcome == wire::Outcome::failed);
    stage.skip<scatterer::Connected>();
}

TEST_CASE(
    "a broker that has less of a job than it had accepted, as it was put back, is not waited for") {
    scatterer::testing::Stage stage;
    submit(stage, {});
    stage.accept(10, 1000);
    stage.skip<scatterer::JobRoom>();
    stage.say(of_life(6));
    stage.skip<scatterer::Connected, wire::Watch>();
    stage.say(wire::Accepted{.job = scatterer::testing::job, .next = 4, .limit = 1000});
    const auto mark = stage.expect<scatterer::PushMark>().message;
    SUBCASE("what was late of the life before is none") {
        stage.say(wire::Accepted{.job = scatterer::testing::job, .next = 10, .limit = 1000});
        stage.say(wire::Marked{.job = scatterer::testing::job, .number = mark.number});
        stage.nothing_left();
    }
    SUBCASE("the Mark is lost") {
        stage.ignore<wire::Collect>();
        stage.pass(2s);
        CHECK(stage.expect<scatterer::PushMark>().message.number > mark.number);
        stage.skip<wire::Heartbeat, wire::Collect>();
    }
    SUBCASE("it is so") {
        stage.say(wire::Marked{.job = scatterer::testing::job, .number = mark.number});
        auto cancel = stage.expect<wire::Cancel>();
        CHECK(cancel.reason.starts_with("the broker has lost fragments that it had accepted"));
        stage.say(wire::Ended{.job = scatterer::testing::job,
                              .outcome = wire::Outcome::cancelled,
                              .reason = cancel.reason});
        CHECK(stage.expect<scatterer::JobRefused>().text == cancel.reason);
    }
}

TEST_CASE("whoever waits for the results of a job hears that its gatherer has lost them") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say(wire::Located{scatterer::testing::job, 1, scatterer::testing::gatherer("G1")});
    stage.skip<wire::Collect>();
    wire::Ended end{.job = scatterer::testing::job,
                    .assignment = 1,
                    .outcome = wire::Outcome::complete,
                    .total = 10,
                    .values = 10};
    stage.say(end);
    stage.expect<scatterer::JobEnded>();
    auto turn_away = [&] {
        stage.step(scatterer::FromGatherer{scatterer::key_of(scatterer::testing::gatherer("G1")),
                                           wire::Refused{.code = wire::RefusalCode::unknown_job,
                                                         .text = "G1 knows no job",
                                                         .job = scatterer::testing::job},
                                           {}});
    };
    stage.ignore<wire::Collect, wire::Watch, wire::Heartbeat>();
    turn_away();
    stage.pass(3s);
    SUBCASE("by the broker, which knows") {
        end.outcome = wire::Outcome::failed;
        end.reason = "gatherer G1 has lost its results since";
        end.lost = true;
        stage.say(end);
        stage.pass(6s);
        auto concluded = stage.expect<scatterer::JobConcluded>().end;
        CHECK(concluded.outcome == wire::Outcome::failed);
        CHECK(concluded.reason == end.reason);
    }
    SUBCASE("nobody knows the job any more") {
        stage.say(wire::Refused{.code = wire::RefusalCode::unknown_job,
                                .text = "there is no job",
                                .job = scatterer::testing::job});
        CHECK(stage.expect<scatterer::JobRefused>().text.find("does not send its results") !=
              std::string::npos);
    }
}

TEST_CASE("all jobs at a gatherer go over the connection to its newest life") {
    scatterer::testing::Stage stage;
    stage.connect();
    stage.open_ten();
    auto gatherer = scatterer::testing::gatherer("G1");
    stage.say(wire::Located{scatterer::testing::job, 1, gatherer});
    stage.skip<wire::Collect>();
    gatherer.epoch = {1, 9};
    stage.say(wire::Located{fanfold::testing::job_number(3), 1, gatherer});  // of another job
    auto again = stage.expect<scatterer::SendGatherer>();
    CHECK(again.to.epoch == gatherer.epoch);
    CHECK(std::holds_alternative<wire::Collect>(again.message));
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
