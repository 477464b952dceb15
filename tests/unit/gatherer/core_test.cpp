#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;

}  // namespace

TEST_SUITE_BEGIN("gatherer");

// --- the happy path

TEST_CASE("complete with every value is told at once, and proposed until the broker answers") {
    Stage stage;
    stage.assign(std::nullopt);
    stage.collect("c1", ordered);
    stage.results({0, 4});
    CHECK(stage.values_to("c1") == Range{0, 4});
    stage.now += 2ms;
    stage.tick();
    CHECK(stage.gathered() == Ranges{{0, 4}});
    stage.assign(6);
    stage.results({4, 6});
    CHECK(stage.values_to("c1") == Range{4, 6});
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::complete);
    CHECK(concluded.values == 6);
    CHECK(concluded.total == 6);
    CHECK(concluded.missing.empty());
    CHECK(stage.gathered() == Ranges{{4, 6}});
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    stage.later(gatherer::limits::resend_after);
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    stage.ended(Outcome::complete);
    stage.later(10s);
}

TEST_CASE("a small job whose results and collector come before it") {
    Stage stage;
    stage.collect("c1", ordered);
    stage.results({0, 2});
    stage.assign(2);
    CHECK(stage.values_to("c1") == Range{0, 2});
    CHECK(stage.expect<wire::Concluded>("c1").outcome == Outcome::complete);
    CHECK(stage.gathered() == Ranges{{0, 2}});
    stage.expect<wire::Propose>();
}

TEST_CASE("confirmations are batched: two milliseconds or 64 runs") {
    Stage stage;
    stage.assign(std::nullopt);
    for (Index i = 0; i < 63; ++i) stage.results({i, i + 1});
    CHECK(stage.core.next_wakeup() <= stage.now + 2ms);
    stage.results({63, 64});
    CHECK(stage.gathered() == Ranges{{0, 64}});
    stage.results({70, 71});
    stage.now += 1ms;
    stage.tick();
    stage.now += 1ms;
    stage.tick();
    CHECK(stage.gathered() == Ranges{{70, 71}});
}

TEST_CASE("doubled and overlapping runs are stored once, and confirmed again") {
    Stage stage;
    stage.assign(std::nullopt);
    stage.collect("c1", completed);
    stage.results({2, 4});
    CHECK(stage.values_to("c1") == Range{2, 4});
    stage.results({6, 7});
    CHECK(stage.values_to("c1") == Range{6, 7});
    stage.results({0, 8});
    CHECK(stage.values_to("c1") == Range{0, 2});
    CHECK(stage.values_to("c1") == Range{4, 6});
    CHECK(stage.values_to("c1") == Range{7, 8});
    stage.now += 2ms;
    stage.tick();
    CHECK(stage.gathered() == Ranges{{0, 8}});
    stage.results({0, 8});
    stage.now += 2ms;
    stage.tick();
    CHECK(stage.gathered() == Ranges{{0, 8}});
}

TEST_CASE("a job of no fragments") {
    Stage stage;
    SpecBuilder builder;
    SUBCASE("all") {
        stage.collect("c1", ordered);
        stage.assign(0);
        stage.expect<wire::Propose>();
        CHECK(stage.expect<wire::Concluded>("c1").outcome == Outcome::complete);
    }
    SUBCASE("first") {
        stage.assign(0, builder.policy(GatherPolicy::first).spec);
        CHECK(stage.expect<wire::Propose>().outcome == Outcome::failed);
    }
}

// --- errors

TEST_CASE("errors: stored once, confirmed each time, a value that was first wins, outputs travel") {
    Stage stage;
    stage.assign(std::nullopt);
    stage.collect("c1", completed);
    stage.results({0, 1});
    stage.values_to("c1");
    wire::Errors errors{
        .job = stage.job,
        .failures = {
            {.index = 0}, {.index = 1, .output_bytes = 3}, {.index = 2, .output_bytes = 1}}};
    stage.say(errors, "abcd");
    Slice first;
    auto one = stage.expect<wire::Failures>("c1", &first);
    CHECK(one.failures[0].index == 1);
    CHECK(first.view() == "abc");
    Slice second;
    auto two = stage.expect<wire::Failures>("c1", &second);
    CHECK(two.position == 3);
    CHECK(second.view() == "d");
    stage.say(errors, "abcd");
    stage.later(100ms);
    CHECK(stage.gathered() == Ranges{{0, 3}});
}

TEST_CASE("errors that make no sense harm nobody") {
    Stage stage;
    stage.assign(5);
    auto dropped = [&](wire::Failure failure, std::string body) {
        stage.say(wire::Errors{.job = stage.job, .failures = {std::move(failure)}},
                  std::move(body));
        CHECK(stage.warned().what == std::string("errors that make no sense dropped"));
    };
    dropped({.index = 5}, "");
    dropped({.index = 0, .output_bytes = 2}, "x");
    dropped({.index = 0, .output_bytes = 0}, "x");
    dropped({.index = 0, .output_bytes = ~std::uint64_t{0}}, "x");
    stage.job = job_number(9);
    stage.failure(0);
    CHECK(stage.warned().what == std::string("errors of an unknown job dropped"));
}

// --- bad peers

TEST_CASE("results that make no sense are dropped with a warning") {
    Stage stage;
    bool known = false;
    SUBCASE("of a known job") { known = true; }
    SUBCASE("of an unknown one") {}
    if (known) stage.assign(10);
    auto dropped = [&](Index first, std::uint32_t count, std::string body) {
        stage.raw_results(first, count, std::move(body));
        CHECK(stage.warned().what == std::string("results that make no sense dropped"));
    };
    dropped(0, 0, "");
    dropped(0, 2, value(0));
    dropped(0, 1, values({0, 2}));
    dropped(0, 1, "\xd9");
    dropped(~Index{0} - 1, 3, values({0, 3}));
    dropped(~Index{0}, 1, value(0));
    if (known) dropped(9, 2, values({9, 11}));
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE("results past a total that comes later are dropped, a run across it is cut") {
    Stage stage;
    stage.assign(std::nullopt);
    stage.results({0, 1});
    stage.results({2, 6});
    stage.results({9, 12});
    stage.assign(4);
    CHECK(stage.warned().what == std::string("results past the job's total dropped"));
    stage.results({1, 2});
    stage.gathered();
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
    stage.collect("c1", ordered);
    for (Range range : {Range{0, 1}, Range{1, 2}, Range{2, 4}})
        CHECK(stage.values_to("c1") == range);
    CHECK(stage.expect<wire::Concluded>("c1").values == 4);
}

TEST_CASE("messages in a wrong direction and garbage are noted, no more") {
    Stage stage;
    stage.say(wire::Collect{});
    CHECK(stage.warned().detail == "from the broker: Collect");
    stage.step(Received{.from = {"c1"}, .message = wire::Assign{}, .body = {}});
    CHECK(stage.warned().detail == "Assign");
    stage.step(Pulled{wire::Forget{}, {}});
    CHECK(stage.warned().detail == "at the results' socket: Forget");
    stage.step(Garbled{.from = {}, .why = "not MessagePack"});
    CHECK(stage.warned().detail == "not MessagePack");
    stage.acknowledge("c1", 7);
    stage.assign(2);
    stage.acknowledge("c1", 7);
}
