#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;
constexpr auto ordered = wire::Collect{.ordered = true};
constexpr auto completed = wire::Collect{};

}  // namespace

TEST_SUITE_BEGIN("gatherer");

// --- the happy path

TEST_CASE("complete with every value is told at once, and proposed until the broker answers") {
    Bench bench;
    bench.assign(std::nullopt);
    bench.collect("c1", ordered);
    bench.results({0, 4});
    CHECK(bench.values_to("c1") == Range{0, 4});
    bench.now += 2ms;
    bench.tick();
    CHECK(bench.gathered() == Ranges{{0, 4}});
    bench.assign(6);
    bench.results({4, 6});
    CHECK(bench.values_to("c1") == Range{4, 6});
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::complete);
    CHECK(concluded.values == 6);
    CHECK(concluded.total == 6);
    CHECK(concluded.missing.empty());
    CHECK(bench.gathered() == Ranges{{4, 6}});
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    bench.later(gatherer::limits::resend_after);
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    bench.ended(Outcome::complete);
    bench.later(10s);
}

TEST_CASE("a small job whose results and collector come before it") {
    Bench bench;
    bench.collect("c1", ordered);
    bench.results({0, 2});
    bench.assign(2);
    CHECK(bench.values_to("c1") == Range{0, 2});
    CHECK(bench.to<wire::Concluded>("c1").outcome == Outcome::complete);
    CHECK(bench.gathered() == Ranges{{0, 2}});
    bench.broker<wire::Propose>();
}

TEST_CASE("confirmations are batched: two milliseconds or 64 runs") {
    Bench bench;
    bench.assign(std::nullopt);
    for (Index i = 0; i < 63; ++i) bench.results({i, i + 1});
    CHECK(bench.core.next_wakeup() <= bench.now + 2ms);
    bench.results({63, 64});
    CHECK(bench.gathered() == Ranges{{0, 64}});
    bench.results({70, 71});
    bench.now += 1ms;
    bench.tick();
    bench.now += 1ms;
    bench.tick();
    CHECK(bench.gathered() == Ranges{{70, 71}});
}

TEST_CASE("doubled and overlapping runs are stored once, and confirmed again") {
    Bench bench;
    bench.assign(std::nullopt);
    bench.collect("c1", completed);
    bench.results({2, 4});
    CHECK(bench.values_to("c1") == Range{2, 4});
    bench.results({6, 7});
    CHECK(bench.values_to("c1") == Range{6, 7});
    bench.results({0, 8});
    CHECK(bench.values_to("c1") == Range{0, 2});
    CHECK(bench.values_to("c1") == Range{4, 6});
    CHECK(bench.values_to("c1") == Range{7, 8});
    bench.now += 2ms;
    bench.tick();
    CHECK(bench.gathered() == Ranges{{0, 8}});
    bench.results({0, 8});
    bench.now += 2ms;
    bench.tick();
    CHECK(bench.gathered() == Ranges{{0, 8}});
}

TEST_CASE("a job of no fragments") {
    Bench bench;
    SpecBuilder builder;
    SUBCASE("all") {
        bench.collect("c1", ordered);
        bench.assign(0);
        bench.broker<wire::Propose>();
        CHECK(bench.to<wire::Concluded>("c1").outcome == Outcome::complete);
    }
    SUBCASE("first") {
        bench.assign(0, builder.policy(GatherPolicy::first).spec);
        CHECK(bench.broker<wire::Propose>().outcome == Outcome::failed);
    }
}

// --- errors

TEST_CASE("errors: stored once, confirmed each time, a value that was first wins, outputs travel") {
    Bench bench;
    bench.assign(std::nullopt);
    bench.collect("c1", completed);
    bench.results({0, 1});
    bench.values_to("c1");
    wire::Errors errors{
        .job = bench.job,
        .failures = {
            {.index = 0}, {.index = 1, .output_bytes = 3}, {.index = 2, .output_bytes = 1}}};
    bench.from_broker(errors, "abcd");
    auto [one, first] = bench.to_with_body<wire::Failures>("c1");
    CHECK(one.failures[0].index == 1);
    CHECK(first.view() == "abc");
    auto [two, second] = bench.to_with_body<wire::Failures>("c1");
    CHECK(two.position == 3);
    CHECK(second.view() == "d");
    bench.from_broker(errors, "abcd");
    bench.later(100ms);
    CHECK(bench.gathered() == Ranges{{0, 3}});
}

TEST_CASE("errors that make no sense harm nobody") {
    Bench bench;
    bench.assign(5);
    auto dropped = [&](wire::Failure failure, std::string body) {
        bench.from_broker(wire::Errors{.job = bench.job, .failures = {std::move(failure)}},
                          std::move(body));
        CHECK(bench.warned().what == std::string("errors that make no sense dropped"));
    };
    dropped({.index = 5}, "");
    dropped({.index = 0, .output_bytes = 2}, "x");
    dropped({.index = 0, .output_bytes = 0}, "x");
    dropped({.index = 0, .output_bytes = ~std::uint64_t{0}}, "x");
    bench.job = job_number(9);
    bench.failure(0);
    CHECK(bench.warned().what == std::string("errors of an unknown job dropped"));
}

// --- bad peers

TEST_CASE("results that make no sense are dropped with a warning") {
    Bench bench;
    bool known = false;
    SUBCASE("of a known job") { known = true; }
    SUBCASE("of an unknown one") {}
    if (known) bench.assign(10);
    auto dropped = [&](Index first, std::uint32_t count, std::string body) {
        bench.raw_results(first, count, std::move(body));
        CHECK(bench.warned().what == std::string("results that make no sense dropped"));
    };
    dropped(0, 0, "");
    dropped(0, 2, value(0));
    dropped(0, 1, values({0, 2}));
    dropped(0, 1, "\xd9");
    dropped(~Index{0} - 1, 3, values({0, 3}));
    dropped(~Index{0}, 1, value(0));
    if (known) dropped(9, 2, values({9, 11}));
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE("results past a total that comes later are dropped, a run across it is cut") {
    Bench bench;
    bench.assign(std::nullopt);
    bench.results({0, 1});
    bench.results({2, 6});
    bench.results({9, 12});
    bench.assign(4);
    CHECK(bench.warned().what == std::string("results past the job's total dropped"));
    bench.results({1, 2});
    bench.gathered();
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
    bench.collect("c1", ordered);
    for (Range range : {Range{0, 1}, Range{1, 2}, Range{2, 4}})
        CHECK(bench.values_to("c1") == range);
    CHECK(bench.to<wire::Concluded>("c1").values == 4);
}

TEST_CASE("messages in a wrong direction and garbage are noted, no more") {
    Bench bench;
    bench.from_broker(wire::Collect{});
    CHECK(bench.warned().detail == "from the broker: Collect");
    bench.step(Received{.from = {"c1"}, .message = wire::Assign{}, .body = {}});
    CHECK(bench.warned().detail == "Assign");
    bench.step(Pulled{wire::Forget{}, {}});
    CHECK(bench.warned().detail == "at the results' socket: Forget");
    bench.step(Garbled{.from = {}, .why = "not MessagePack"});
    CHECK(bench.warned().detail == "not MessagePack");
    bench.acknowledge("c1", 7);
    bench.assign(2);
    bench.acknowledge("c1", 7);
}
