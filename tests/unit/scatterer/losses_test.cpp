// What a client does when a message about the end of its job is lost, or its gatherer falls silent.
// Each was found by the simulator.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

namespace {
wire::Ended ended(wire::Outcome outcome, std::uint64_t values) {
    wire::Ended message{.job = job, .assignment = 1, .outcome = outcome};
    message.total = 10;
    message.values = values;
    return message;
}

void forget_questions(Stage& stage) { stage.ignore<wire::Collect>(); }
}  // namespace

TEST_CASE("what a silent gatherer did not send is never passed off as delivered") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say(ended(wire::Outcome::complete, 10));
    stage.expect<JobEnded>();
    stage.pass(14s);
    forget_questions(stage);
    stage.nothing_left();
    stage.pass(2s);
    forget_questions(stage);
    CHECK(stage.expect<JobRefused>().text.find("does not send its results") != std::string::npos);
}

TEST_CASE("a job that ends without its gatherer's word is concluded by what was delivered") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 3});
    stage.expect_delivery({0, 3}, 1);
    auto end = ended(wire::Outcome::cancelled, 5);
    end.missing = {{"cancelled", {{2, 4}, {5, 10}}}};
    stage.say(end);
    stage.expect<JobEnded>();
    stage.pass(16s);
    forget_questions(stage);
    auto concluded = stage.expect<JobConcluded>().end;
    CHECK(concluded.outcome == wire::Outcome::cancelled);
    CHECK(concluded.values == 3);
    REQUIRE(concluded.missing.size() == 2);
    CHECK(to_string(concluded.missing[0].ranges) == "3,5-9");
    CHECK(concluded.missing[1].reason == "not delivered");
    CHECK(to_string(concluded.missing[1].ranges) == "4");
}

TEST_CASE("a gatherer that is nowhere any more, for its key was taken from it, is left at once") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 3});
    stage.expect_delivery({0, 3}, 1);
    auto nowhere = gatherer("G1");
    nowhere.results.clear();
    nowhere.collect.clear();
    stage.say(wire::Located{job, 1, nowhere});
    auto ask = stage.expect<SendGatherer>();
    CHECK(ask.to.collect.empty());  // so that its connection is closed
    CHECK(std::get<wire::Collect>(ask.message).position == 1);
    stage.say(wire::Located{job, 1, nowhere});
    stage.nothing_left();
    // It is not proposed for the next job either.
    stage.open({}, other_job);
    stage.step(AppendBlock{other_job, block(0, 1), 1});
    CHECK(stage.pushed().spec->preferred_gatherer.empty());
    // It may come back with another key, and has kept its results.
    auto back = gatherer("G1");
    back.public_key = "another";
    stage.say(wire::Located{job, 1, back});
    ask = stage.expect<SendGatherer>();
    CHECK(ask.to.public_key == "another");
    CHECK(std::get<wire::Collect>(ask.message).position == 1);
}

TEST_CASE("a cancel waits for the broker to know the job, and the job is made known until then") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10), 10});
    stage.pushed();  // lost
    stage.expect<wire::Collect>("G1");
    stage.step(CancelJob{job, "enough"});
    stage.nothing_left();
    stage.pass(2500ms);
    forget_questions(stage);
    stage.pushed();
    stage.accept(10);
    CHECK(stage.expect<wire::Cancel>().reason == "enough");
}

TEST_CASE("a job that was lost with the broker's memory and comes to life again is cancelled") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say(welcome(2));
    stage.expect<JobConcluded>();
    stage.expect<Connected>();
    stage.accept(10);
    CHECK(stage.expect<wire::Cancel>().job == job);
}

TEST_CASE(
    "an owner looks after its job now and then, since the word of its end may have been lost") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.pass(9s);
    forget_questions(stage);
    stage.nothing_left();
    stage.pass(2s);
    forget_questions(stage);
    CHECK(stage.expect<wire::Watch>().job == job);
}

TEST_CASE("a job that was gathered elsewhere than was guessed is found, though nobody said where") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10), 10});
    stage.pushed();
    stage.expect<wire::Collect>("G1");  // a guess
    stage.say(ended(wire::Outcome::complete, 10));
    stage.expect<JobEnded>();
    stage.say("G1",
              wire::Refused{.code = wire::RefusalCode::unknown_job, .text = "no", .job = job});
    stage.pass(2s);
    forget_questions(stage);
    stage.expect<wire::Watch>();
    stage.locate("G2", 1);
    stage.expect<JobLocated>();
    stage.say(ended(wire::Outcome::complete, 10));
    stage.values("G2", 1, {0, 10});
    stage.expect_delivery({0, 10}, 1);
    stage.pass(20s);
    CHECK(stage.expect<JobConcluded>().end.outcome == wire::Outcome::complete);
}
