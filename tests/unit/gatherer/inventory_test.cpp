// What a gatherer says to a broker that may know less than it, or more.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {
wire::Holds holds_of(Stage& stage, std::uint64_t life) {
    wire::Welcome welcome;
    welcome.epoch = {.number = 0, .incarnation = life};
    welcome.timeout = wire::Milliseconds{5000};
    stage.say(welcome);
    return stage.expect<wire::Holds>();
}
}  // namespace

TEST_CASE("another life of the broker hears which jobs there are, and of how many values") {
    Stage stage;
    stage.assign(5);
    stage.results({0, 2});
    stage.failure(3);
    stage.later(100ms);
    stage.gathered();
    auto holds = holds_of(stage, 2);
    CHECK(holds.last);
    REQUIRE(holds.jobs.size() == 1);
    CHECK(holds.jobs[0].job == stage.job);
    CHECK(holds.jobs[0].values == 2);
    CHECK(stage.gathered() == std::vector<Range>{{0, 2}, {3, 4}});
    stage.results({2, 3});  // the job goes on
    stage.later(100ms);
    CHECK(stage.gathered() == std::vector<Range>{{2, 3}});
}

TEST_CASE("a broker that does not know a job hears all of it") {
    Stage stage;
    stage.assign(5, SpecBuilder().tolerate(2).spec, 3);
    stage.results({0, 2});
    stage.failure(3);
    stage.later(100ms);
    stage.gathered();
    SUBCASE("while it runs") {
        stage.say(wire::Describe{.jobs = {stage.job}});
        auto described = stage.expect<wire::Described>();
        CHECK(described.assign.job == stage.job);
        CHECK(described.assign.assignment == 3);
        CHECK(described.assign.total == 5);
        CHECK(described.assign.spec.max_failures == 2);
        CHECK(described.next == 4);
        CHECK(described.end.outcome == Outcome::running);
        auto gathered = stage.expect<wire::Gathered>();
        CHECK(gathered.ranges == std::vector<Range>{{0, 2}, {3, 4}});
        CHECK(gathered.failed == std::vector<Range>{{3, 4}});
    }
    SUBCASE("when it has ended") {
        stage.say(wire::Ended{.job = stage.job,
                              .assignment = 3,
                              .outcome = Outcome::cancelled,
                              .reason = "enough",
                              .total = 5,
                              .missing = {{"cancelled", {{2, 3}}}}});
        stage.say(wire::Describe{.jobs = {stage.job}});
        auto described = stage.expect<wire::Described>();
        CHECK(described.end.outcome == Outcome::cancelled);
        CHECK(described.end.reason == "enough");
        CHECK(described.end.values == 2);
        stage.gathered();
    }
    SUBCASE("or that there is none") {
        stage.say(wire::Describe{.jobs = {job_number(9)}});
        CHECK(stage.expect<wire::Forgotten>().job == job_number(9));
    }
}

TEST_CASE("a job that was here in a life that is lost begins past the positions of that") {
    Stage stage;
    stage.say(wire::Assign{.job = stage.job, .assignment = 1, .total = 4, .again = true});
    stage.collect("c1", {.position = 1000, .credit = 1 << 20});
    stage.results({0, 2});
    auto values = stage.expect<wire::Values>("c1");
    CHECK(values.position > 1001);
    stage.later(100ms);
    stage.gathered();
}

TEST_CASE("what could not be said while the disk was full is said when it can write") {
    Stage stage;
    stage.assign(5);
    stage.step(StoreTrouble{"the disk is full"});
    stage.warned();
    stage.ignore<wire::Heartbeat>();
    wire::Welcome welcome;
    welcome.epoch = {.number = 0, .incarnation = 2};
    stage.say(welcome);
    stage.step(StoreTrouble{});
    CHECK(stage.expect<wire::Holds>().jobs.size() == 1);
    CHECK(stage.gathered().empty());
}
