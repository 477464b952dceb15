// Loss known by order: blocks and results on a slow link are asked for by marks, and sent again
// only when the answer shows that they are lost.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

namespace {
wire::GathererRef gatherer_with_marks() {
    auto known = gatherer("G1");
    known.minor = wire::minor_of_marks;
    return known;
}

/// A job of ten fragments in two blocks, none of them accepted.
void push_ten(Stage& stage) {
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    auto hello = welcome();
    hello.minor = wire::minor_of_marks;
    hello.gatherers = {gatherer_with_marks()};
    stage.say(hello);
    stage.expect<Connected>();
    stage.open();
    stage.step(AppendBlock{job, block(0, 5), {}});
    CHECK(stage.pushed().first == 0);
    CHECK(stage.expect<wire::Collect>("G1").minor == wire::version_minor);
    stage.step(AppendBlock{job, block(5, 5), 10});
    CHECK(stage.pushed().first == 5);
}

/// They are accepted, and their gatherer is known.
void locate_ten(Stage& stage) {
    push_ten(stage);
    stage.accept(10);
    stage.say(wire::Sealed{job, 10});
    stage.expect<JobSealed>();
    stage.say(wire::Located{job, 1, gatherer_with_marks()});
    stage.expect<JobLocated>();
}

/// What is asked of the gatherer meanwhile.
std::vector<wire::Mark> asked(Stage& stage) { return stage.expect_all<wire::Mark>("G1"); }
}  // namespace

TEST_CASE("blocks on a slow link are sent once, whatever time passes") {
    Stage stage;
    push_ten(stage);
    std::vector<wire::Mark> marks;
    for (int second = 0; second < 60; ++second) {
        stage.pass(1s);
        asked(stage);
        for (auto& mark : stage.expect_all<PushMark>()) marks.push_back(mark.message);
    }
    REQUIRE(marks.size() >= 5);
    CHECK(marks.size() < 12);
    CHECK(marks.front().owner.bytes == "c-one");
    SUBCASE("they come after all") {
        stage.accept(10);
        stage.say(wire::Marked{.job = job, .number = marks.front().number});
        stage.skip<wire::Seal>();
        stage.nothing_left();
    }
    SUBCASE("a block was lost: it and what follows go again, once") {
        stage.accept(5);
        CHECK(stage.expect<wire::Seal>().total == 10);
        stage.say(wire::Marked{.job = job, .number = marks.front().number});
        CHECK(stage.pushed().first == 5);
        stage.say(wire::Marked{.job = job, .number = marks.back().number});
        stage.nothing_left();
    }
    SUBCASE("all were lost, and an answer to a later mark is the first to come") {
        stage.say(wire::Marked{.job = job, .number = marks.back().number});
        CHECK(stage.pushed().first == 0);
        CHECK(stage.pushed().first == 5);
        stage.nothing_left();
    }
}

TEST_CASE("the only block of a job without fragments may be lost as any other") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    auto hello = welcome();
    hello.minor = wire::minor_of_marks;
    hello.gatherers.clear();
    stage.say(hello);
    stage.expect<Connected>();
    stage.open();
    stage.step(SealJob{job, 0});
    CHECK(stage.pushed().total == 0);
    stage.pass(2500ms);
    auto mark = stage.expect<PushMark>().message;
    stage.say(wire::Marked{.job = job, .number = mark.number});
    CHECK(stage.pushed().total == 0);
}

TEST_CASE("a broker from before the marks is sent blocks again when they stand still") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    auto hello = welcome();
    hello.minor = wire::minor_of_marks - 1;
    stage.say(hello);
    stage.expect<Connected>();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10), 10});
    stage.pushed();
    stage.ignore<wire::Collect>();
    stage.pass(2500ms);
    CHECK(stage.pushed().first == 0);
}

TEST_CASE(
    "results on a slow link are asked for by a mark, and collected anew where they are lost") {
    Stage stage;
    locate_ten(stage);
    stage.values("G1", 1, {0, 3});
    stage.expect_delivery({0, 3}, 1);
    stage.step(Consumed{job, stage.last_receipt, 3});
    CHECK(stage.expect<wire::Acknowledge>("G1").position == 1);
    stage.pass(7s);
    auto marks = asked(stage);
    REQUIRE(marks.size() == 2);  // after 2 s, 4 s more
    CHECK(marks.front().position == 1);
    wire::Marked marked{.job = job, .number = marks.front().number, .position = 1};
    SUBCASE("nothing is lost") {
        stage.say("G1", marked);
        stage.nothing_left();
    }
    SUBCASE("something is lost") {
        marked.position = 2;
        stage.say("G1", marked);
        CHECK(stage.expect<wire::Collect>("G1").position == 1);
        marked.number = marks.back().number;  // from before that
        stage.say("G1", marked);
        stage.nothing_left();
    }
    SUBCASE("the gatherer was started again") {
        marked.position.reset();
        stage.say("G1", marked);
        CHECK(stage.expect<wire::Collect>("G1").position == 1);
    }
}

TEST_CASE("a gatherer whose long value is on its way is not silent") {
    Stage stage;
    locate_ten(stage);
    wire::Ended ended{.job = job, .assignment = 1, .outcome = wire::Outcome::complete};
    ended.total = ended.values = 10;
    stage.say(ended);
    stage.expect<JobEnded>();
    for (int second = 0; second < 60; ++second) {
        stage.pass(1s);
        stage.step(GathererSends{key_of(gatherer_with_marks())});
    }
    stage.skip<wire::Watch>();
    stage.nothing_left();
    stage.values("G1", 1, {0, 10});
    stage.expect_delivery({0, 10}, 1);
}
