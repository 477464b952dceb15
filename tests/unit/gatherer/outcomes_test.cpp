// How jobs end in the gatherer: policies, deadlines, what is missing.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;
constexpr auto ordered = wire::Collect{.ordered = true};
constexpr auto completed = wire::Collect{};

std::string reasons(const wire::Concluded& concluded) {
    std::string text;
    for (const auto& missing : concluded.missing)
        text += missing.reason + " " + to_string(missing.ranges) + "; ";
    return text;
}

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
        CHECK(verdict->every_value == test.every_value);
    }
    CHECK(judge(tolerant, {.failures = 3})->reason == "3 fragments failed, 2 are tolerated");
}

TEST_CASE(
    "an outcome other than complete is told only after the broker's word, with its part of what is "
    "missing") {
    Bench bench;
    bench.assign(10, SpecBuilder{}.tolerate(1).spec);
    bench.collect("c1", ordered);
    bench.results({0, 2});
    CHECK(bench.values_to("c1") == Range{0, 2});
    bench.failure(3);
    bench.failure(5, wire::FailureKind::timeout);
    CHECK(bench.broker<wire::Propose>().reason == "2 fragments failed, 1 is tolerated");
    CHECK(bench.gathered() == Ranges{{0, 2}, {3, 4}, {5, 6}});
    bench.results({6, 7});
    bench.ended(Outcome::failed, "2 fragments failed, 1 is tolerated",
                {{"cancelled", {{0, 3}}}, {"never started", {{7, 10}}}});
    CHECK(bench.to<wire::Failures>("c1").failures[0].index == 3);
    CHECK(bench.to<wire::Failures>("c1").failures[0].kind == wire::FailureKind::timeout);
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.values == 2);
    CHECK(concluded.failures == 2);
    CHECK(concluded.late == 1);
    CHECK(reasons(concluded) == "failed 3; timeout 5; cancelled 2,4,6; never started 7-9; ");
}

TEST_CASE("tolerated failures: complete goes by the broker, and is listed") {
    Bench bench;
    bench.assign(3, SpecBuilder{}.tolerate(1).spec);
    bench.collect("c1", completed);
    bench.results({0, 2});
    bench.values_to("c1");
    bench.failure(2);
    CHECK(bench.to<wire::Failures>("c1").position == 2);
    bench.gathered();
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    bench.later(gatherer::limits::resend_after);
    bench.broker<wire::Propose>();
    bench.ended(Outcome::complete);
    CHECK(reasons(bench.to<wire::Concluded>("c1")) == "failed 2; ");
}

TEST_CASE("a quorum takes as many values as it wants, and no more") {
    Bench bench;
    bench.assign(std::nullopt, SpecBuilder{}.policy(GatherPolicy::quorum, 3).spec);
    bench.collect("c1", ordered);
    bench.results({0, 8});
    CHECK(bench.values_to("c1") == Range{0, 3});
    CHECK(bench.gathered() == Ranges{{0, 3}});
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    bench.results({20, 22});
    bench.results({20, 22});
    bench.ended(Outcome::complete);
    CHECK(bench.to<wire::Concluded>("c1").late == 2);
}

TEST_CASE("the deadline") {
    Bench bench;
    SpecBuilder builder;
    auto spec = builder.deadline(wire::Milliseconds{1000});
    SUBCASE("expired, also when assigned again meanwhile") {
        bench.assign(std::nullopt, spec.spec);
        bench.later(900ms);
        bench.assign(4, spec.spec);
        bench.later(100ms);
        auto propose = bench.broker<wire::Propose>();
        CHECK(propose.outcome == Outcome::expired);
        CHECK(propose.reason == "the deadline came with values of 0 of 4 fragments");
    }
    SUBCASE("available is complete with what is there") {
        bench.assign(4, spec.policy(GatherPolicy::available).spec);
        bench.results({0, 1});
        bench.later(1s - 100ms * 9);
        CHECK(bench.gathered() == Ranges{{0, 1}});
        CHECK(bench.core.next_wakeup() <= bench.now + 900ms);
        bench.later(900ms);
        CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    }
    SUBCASE("a job that ended in time does not hear of it") {
        bench.assign(0, spec.spec);
        bench.broker<wire::Propose>();
        bench.ended(Outcome::complete);
        bench.later(3s);
    }
}

TEST_CASE(
    "complete with every value wins over a cancel on its way; another end wins over gathering") {
    Bench bench;
    bench.assign(1);
    bench.collect("c1", ordered);
    SUBCASE("complete first") {
        bench.results({0, 1});
        bench.values_to("c1");
        CHECK(bench.to<wire::Concluded>("c1").outcome == Outcome::complete);
        bench.gathered();
        bench.broker<wire::Propose>();
        bench.ended(Outcome::cancelled);
        CHECK(bench.warned().what ==
              std::string("another outcome for a job that is complete ignored"));
    }
    SUBCASE("cancelled first") {
        bench.ended(Outcome::cancelled, "by its owner");
        auto concluded = bench.to<wire::Concluded>("c1");
        CHECK(concluded.outcome == Outcome::cancelled);
        CHECK(concluded.reason == "by its owner");
        CHECK(reasons(concluded) == "cancelled 0; ");
        bench.results({0, 1});
        bench.collect("c2", ordered);
        CHECK(bench.to<wire::Concluded>("c2").late == 1);
    }
}

TEST_CASE("what is missing is listed within its limit") {
    Bench bench;
    bench.assign(std::nullopt);
    std::vector<Range> holes;
    for (Index i = 0; i < gatherer::limits::missing_ranges + 50; ++i)
        holes.push_back({2 * i, 2 * i + 1});
    bench.failure(1);
    bench.ended(Outcome::cancelled, "",
                {{"cancelled", holes}, {"never started", {{50'000, 50'001}}}});
    bench.collect("c1", ordered);
    bench.to<wire::Failures>("c1");
    auto concluded = bench.to<wire::Concluded>("c1");
    std::size_t listed = 0;
    for (const auto& missing : concluded.missing) listed += missing.ranges.size();
    CHECK(listed == gatherer::limits::missing_ranges);
}
