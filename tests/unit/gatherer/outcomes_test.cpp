// How jobs end in the gatherer: policies, deadlines, what is missing.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;

}  // namespace

TEST_SUITE_BEGIN("gatherer");

// --- policies

TEST_CASE("judge: every policy's rules") {
    struct Case {
        const char* name;
        wire::JobSpec spec;
        Counts counts;
        std::optional<Outcome> outcome;
        bool every_value = false;
    };
    SpecBuilder none;
    auto all = none.spec;
    auto tolerant = SpecBuilder{}.tolerate(2).spec;
    auto share = SpecBuilder{}.tolerate_percent(29).spec;
    auto quorum = SpecBuilder{}.policy(GatherPolicy::quorum, 3).spec;
    auto first = SpecBuilder{}.policy(GatherPolicy::first).spec;
    auto available = SpecBuilder{}.policy(GatherPolicy::available).spec;
    std::vector<Case> cases{
        {"all: unsealed", all, {.values = 5}, std::nullopt},
        {"all: one is missing", all, {.values = 4, .total = 5}, std::nullopt},
        {"all: complete", all, {.values = 5, .total = 5}, Outcome::complete, true},
        {"all: some failed", all, {.values = 4, .failures = 1, .total = 5}, Outcome::partial},
        {"all: deadline",
         all,
         {.values = 4, .total = 5, .deadline_reached = true},
         Outcome::expired},
        {"all: complete before the deadline is looked at",
         all,
         {.values = 5, .total = 5, .deadline_reached = true},
         Outcome::complete,
         true},
        {"tolerance: kept", tolerant, {.values = 3, .failures = 2, .total = 5}, Outcome::complete},
        {"tolerance: not all ended",
         tolerant,
         {.values = 2, .failures = 2, .total = 5},
         std::nullopt},
        {"tolerance: exceeded", tolerant, {.failures = 3}, Outcome::failed},
        {"tolerance: no failure at all",
         tolerant,
         {.values = 5, .total = 5},
         Outcome::complete,
         true},
        {"percent: unknown while unsealed", share, {.failures = 90}, std::nullopt},
        {"percent: 29 of 100",
         share,
         {.values = 71, .failures = 29, .total = 100},
         Outcome::complete},
        {"percent: 30 of 100", share, {.failures = 30, .total = 100}, Outcome::failed},
        {"percent: all of the longest job",
         SpecBuilder{}.tolerate_percent(100).spec,
         {.failures = 30, .total = UINT64_MAX},
         std::nullopt},
        {"quorum: reached", quorum, {.values = 3}, Outcome::complete},
        {"quorum: is all", quorum, {.values = 3, .total = 3}, Outcome::complete, true},
        {"quorum: still possible", quorum, {.values = 1, .failures = 2, .total = 5}, std::nullopt},
        {"quorum: impossible", quorum, {.values = 2, .failures = 3, .total = 5}, Outcome::failed},
        {"quorum: too few fragments", quorum, {.values = 2, .total = 2}, Outcome::failed},
        {"quorum: deadline", quorum, {.values = 2, .deadline_reached = true}, Outcome::expired},
        {"first: one", first, {.values = 1}, Outcome::complete},
        {"first: none left", first, {.failures = 2, .total = 2}, Outcome::failed},
        {"available: deadline",
         available,
         {.values = 1, .total = 5, .deadline_reached = true},
         Outcome::complete},
        {"available: all before", available, {.values = 5, .total = 5}, Outcome::complete, true},
        {"available: all ended, some failed",
         available,
         {.values = 4, .failures = 1, .total = 5},
         Outcome::partial},
    };
    for (const auto& test : cases) {
        CAPTURE(test.name);
        auto verdict = judge(test.spec, test.counts);
        CHECK(verdict.has_value() == test.outcome.has_value());
        if (!verdict || !test.outcome) continue;
        CHECK(verdict->outcome == *test.outcome);
        CHECK((verdict->outcome == Outcome::complete && test.counts.every_value()) ==
              test.every_value);
    }
    CHECK(judge(tolerant, {.failures = 3})->reason == "3 fragments failed, 2 are tolerated");
}

TEST_CASE(
    "an outcome other than complete is told only after the broker's word, with its part of what is "
    "missing") {
    Stage stage;
    stage.assign(10, SpecBuilder{}.tolerate(1).spec);
    stage.collect("c1", ordered);
    stage.results({0, 2});
    CHECK(stage.values_to("c1") == Range{0, 2});
    stage.failure(3);
    stage.failure(5, wire::FailureKind::timeout);
    CHECK(stage.gathered() == Ranges{{0, 2}, {3, 4}, {5, 6}});
    CHECK(stage.expect<wire::Propose>().reason == "2 fragments failed, 1 is tolerated");
    stage.results({6, 7});
    stage.ended(Outcome::failed, "2 fragments failed, 1 is tolerated",
                {{"cancelled", {{0, 3}}}, {"never started", {{7, 10}}}});
    CHECK(stage.expect<wire::Failures>("c1").failures[0].index == 3);
    CHECK(stage.expect<wire::Failures>("c1").failures[0].kind == wire::FailureKind::timeout);
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.values == 2);
    CHECK(concluded.failures == 2);
    CHECK(concluded.late == 1);
    CHECK(reasons(concluded) == "failed 3; timeout 5; cancelled 2,4,6; never started 7-9; ");
}

TEST_CASE("tolerated failures: complete goes by the broker, and is listed") {
    Stage stage;
    stage.assign(3, SpecBuilder{}.tolerate(1).spec);
    stage.collect("c1", completed);
    stage.results({0, 2});
    stage.values_to("c1");
    stage.failure(2);
    CHECK(stage.expect<wire::Failures>("c1").position == 2);
    stage.gathered();
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    stage.later(gatherer::limits::resend_after);
    stage.expect<wire::Propose>();
    stage.ended(Outcome::complete);
    CHECK(reasons(stage.expect<wire::Concluded>("c1")) == "failed 2; ");
}

TEST_CASE("a quorum takes as many values as it wants, and no more") {
    Stage stage;
    stage.assign(std::nullopt, SpecBuilder{}.policy(GatherPolicy::quorum, 3).spec);
    stage.collect("c1", ordered);
    stage.results({0, 8});
    CHECK(stage.values_to("c1") == Range{0, 3});
    CHECK(stage.gathered() == Ranges{{0, 3}});
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    stage.results({20, 22});
    stage.results({20, 22});
    stage.ended(Outcome::complete);
    CHECK(stage.expect<wire::Concluded>("c1").late == 2);
}

TEST_CASE("the deadline") {
    Stage stage;
    SpecBuilder builder;
    auto spec = builder.deadline(wire::Milliseconds{1000});
    SUBCASE("expired, also when assigned again meanwhile") {
        stage.assign(std::nullopt, spec.spec);
        stage.later(900ms);
        stage.assign(4, spec.spec);
        stage.later(100ms);
        auto propose = stage.expect<wire::Propose>();
        CHECK(propose.outcome == Outcome::expired);
        CHECK(propose.reason == "the deadline came with values of 0 of 4 fragments");
    }
    SUBCASE("available is complete with what is there") {
        stage.assign(4, spec.policy(GatherPolicy::available).spec);
        stage.results({0, 1});
        stage.later(1s - 100ms * 9);
        CHECK(stage.gathered() == Ranges{{0, 1}});
        CHECK(stage.core.next_wakeup() <= stage.now + 900ms);
        stage.later(900ms);
        CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    }
    SUBCASE("a job that ended in time does not hear of it") {
        stage.assign(0, spec.spec);
        stage.expect<wire::Propose>();
        stage.ended(Outcome::complete);
        stage.later(3s);
    }
}

TEST_CASE(
    "complete with every value wins over a cancel on its way; another end wins over gathering") {
    Stage stage;
    stage.assign(1);
    stage.collect("c1", ordered);
    SUBCASE("complete first") {
        stage.results({0, 1});
        stage.values_to("c1");
        CHECK(stage.expect<wire::Concluded>("c1").outcome == Outcome::complete);
        stage.gathered();
        stage.expect<wire::Propose>();
        stage.ended(Outcome::cancelled);
        CHECK(stage.warned().what ==
              std::string("another outcome for a job that is complete ignored"));
    }
    SUBCASE("cancelled first") {
        stage.ended(Outcome::cancelled, "by its owner");
        auto concluded = stage.expect<wire::Concluded>("c1");
        CHECK(concluded.outcome == Outcome::cancelled);
        CHECK(concluded.reason == "by its owner");
        CHECK(reasons(concluded) == "cancelled 0; ");
        stage.results({0, 1});
        stage.collect("c2", ordered);
        CHECK(stage.expect<wire::Concluded>("c2").late == 1);
    }
}

TEST_CASE("what is missing is listed within its limit") {
    Stage stage;
    stage.assign(std::nullopt);
    std::vector<Range> holes;
    for (Index i = 0; i < gatherer::limits::missing_ranges + 50; ++i)
        holes.push_back({2 * i, 2 * i + 1});
    stage.failure(1);
    stage.ended(Outcome::cancelled, "",
                {{"cancelled", holes}, {"never started", {{50'000, 50'001}}}});
    stage.collect("c1", ordered);
    stage.expect<wire::Failures>("c1");
    auto concluded = stage.expect<wire::Concluded>("c1");
    std::size_t listed = 0;
    for (const auto& missing : concluded.missing) listed += missing.ranges.size();
    CHECK(listed == gatherer::limits::missing_ranges);
}
