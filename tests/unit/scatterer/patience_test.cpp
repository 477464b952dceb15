// How long a client waits for a broker and for gatherers, and what people hear of it meanwhile.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

TEST_CASE("a broker that was met is waited for as long as --give-up says, and people are told") {
    Stage stage(10min);
    stage.connect();
    stage.open_ten();
    stage.pass(9min, false);
    std::vector<std::string> notices;
    for (const Action& action : stage.take_rest()) {
        CHECK(!std::holds_alternative<JobRefused>(action));
        CHECK(!std::holds_alternative<ConnectionNotice>(action));  // the job was told
        if (auto* notice = std::get_if<JobNotice>(&action)) notices.push_back(notice->text);
    }
    REQUIRE(notices.size() == 18);  // at once, and each half minute
    const std::string silent = "the broker at tcp://127.0.0.1:9 is silent";
    CHECK(notices[0] == silent + ", reconnecting; it is given up after 10m");
    CHECK(notices[1] == silent + ", for 30s by now; it is given up after 10m");
    stage.say(welcome());
    stage.expect<Connected>();
    CHECK(stage.expect<JobNotice>().text == "the broker at tcp://127.0.0.1:9 answers again");
    stage.skip<wire::Watch, wire::Collect, wire::Seal>();
    stage.values("G1", 1, {0, 4});
    stage.expect_delivery({0, 4}, 1);
}

TEST_CASE("without a job, whoever holds the connection is told what is waited for") {
    Stage stage(10min);
    stage.connect();
    stage.pass(6s, false);
    CHECK(stage.expect<ConnectionNotice>().text ==
          "the broker at tcp://127.0.0.1:9 is silent, reconnecting; it is given up after 10m");
    stage.expect<Reconnect>();
}

TEST_CASE("a gatherer that can't be reached is told to who waits for it, and to the broker") {
    Stage stage(1min);
    stage.connect();
    stage.open_ten();
    stage.ignore<wire::Collect, wire::Watch>();
    stage.step(Reach{.gatherer = "G1", .endpoint = "tcp://127.0.0.1:2"});
    std::vector<wire::Unreached> walls;
    std::string told;
    stage.pass(4s);
    for (const Action& action : stage.take_rest()) {
        if (auto* notice = std::get_if<JobNotice>(&action)) told = notice->text;
        auto* send = std::get_if<SendBroker>(&action);
        if (auto* beat = send ? std::get_if<wire::Heartbeat>(&send->message) : nullptr)
            walls = beat->unreached;
    }
    REQUIRE(walls.size() == 1);
    CHECK(walls[0].gatherer == "G1");
    CHECK(walls[0].endpoint == "tcp://127.0.0.1:2");
    CHECK(walls[0].since < 5s);
    CHECK(told == "gatherer G1 can't be reached at tcp://127.0.0.1:2; it is given up after 1m");
    SUBCASE("it is reached again") {
        stage.step(Reach{.gatherer = "G1", .endpoint = "tcp://127.0.0.1:2", .reached = true});
        CHECK(stage.expect<JobNotice>().text == "gatherer G1 is reached again");
    }
    SUBCASE("it is not: the job is told so for the last time, and the others go on") {
        stage.ignore<JobNotice>();
        stage.pass(1min);
        CHECK(stage.expect<JobRefused>().text ==
              "gatherer G1 can't be reached at tcp://127.0.0.1:2 from here: it was tried for 1m, "
              "and has the job's results");
        CHECK(stage.core.next_wakeup() < Time::max());
    }
}
