// What a gatherer answers to a Mark: behind all that came before it on the connection.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {
wire::Mark mark_of(JobId job, std::uint64_t number, const char* owner = "") {
    return {.job = job, .owner = {owner}, .number = number};
}
}  // namespace

TEST_CASE("a worker's mark is answered by way of the broker, behind what is safe") {
    Stage stage;
    stage.assign(10);
    stage.results({0, 4});
    stage.step(Pulled{mark_of(stage.job, 3, "w-one"), {}});
    CHECK(stage.gathered() == std::vector<Range>{{0, 4}});
    auto marked = stage.expect<wire::Marked>();
    CHECK(marked.job == stage.job);
    CHECK(marked.owner.bytes == "w-one");
    CHECK(marked.number == 3);
    stage.step(Pulled{mark_of(stage.job, 4, "w-one"), {}});
    CHECK(stage.expect<wire::Marked>().number == 4);
}

TEST_CASE("results that came before their job are not taken for lost") {
    Stage stage;
    stage.results({0, 4});
    stage.step(Pulled{mark_of(stage.job, 1, "w-one"), {}});
    stage.nothing_left();
    stage.assign(10);
    stage.step(Pulled{mark_of(stage.job, 2, "w-one"), {}});
    CHECK(stage.gathered() == std::vector<Range>{{0, 4}});
    CHECK(stage.expect<wire::Marked>().number == 2);
    // Nothing ever came of this one.
    stage.step(Pulled{mark_of(fanfold::testing::job_number(9), 7, "w-one"), {}});
    CHECK(stage.expect<wire::Marked>().number == 7);
}

TEST_CASE("the broker's mark is answered behind the errors that came") {
    Stage stage;
    stage.assign(10);
    stage.failure(5);
    stage.say(mark_of(stage.job, 5));
    CHECK(stage.gathered() == std::vector<Range>{{5, 6}});
    CHECK(stage.expect<wire::Marked>().owner.bytes.empty());
}

TEST_CASE("a collector's mark acknowledges, and says how far it was sent the job") {
    Stage stage;
    stage.assign(10);
    stage.collect("c1", {.ordered = true, .credit = 4, .minor = wire::minor_of_marks});
    stage.results({0, 1});
    CHECK(stage.values_to("c1") == Range{0, 1});
    stage.skip<wire::Gathered>();
    stage.results({1, 2});  // past its credit
    auto ask = [&](std::uint64_t number, std::uint64_t position) {
        auto mark = mark_of(stage.job, number);
        mark.position = position;
        stage.step(Received{.from = {"c1"}, .message = mark, .body = {}});
    };
    ask(1, 0);
    CHECK(stage.expect<wire::Marked>("c1").position == 1);
    stage.skip<wire::Gathered>();
    ask(2, 1);
    CHECK(stage.values_to("c1") == Range{1, 2});
    CHECK(stage.expect<wire::Marked>("c1").position == 2);
    stage.skip<wire::Gathered>();
    SUBCASE("another connection collects nothing here") {
        stage.step(Received{.from = {"c2"}, .message = mark_of(stage.job, 1), .body = {}});
        CHECK_FALSE(stage.expect<wire::Marked>("c2").position.has_value());
        stage.skip<wire::Gathered>();
    }
    SUBCASE("nor does another user, under the same name") {
        Sender other{.user = "eve", .roles = {}, .public_key = {}};
        stage.step(Received{
            .from = {"c1"}, .message = mark_of(stage.job, 1), .body = {}, .sender = other});
        CHECK_FALSE(stage.expect<wire::Marked>("c1").position.has_value());
        stage.skip<Note, wire::Gathered>();
    }
}

TEST_CASE(
    "what a worker has sent by way of the broker is stored, and its mark answered behind it") {
    Stage stage;
    const auto relay = [&](JobId job, Range range, std::uint64_t number) {
        stage.step(
            FromBroker{wire::Relay{.results = {.job = job,
                                               .first = range.begin,
                                               .count = static_cast<std::uint32_t>(range.size()),
                                               .meta = {}},
                                   .owner = {"w-one"},
                                   .number = number},
                       Slice::take(std::string(range.size(), '\x07'))});
    };
    const auto answered = [&](std::uint64_t number) {
        auto marked = stage.expect<wire::Marked>();
        CHECK(marked.owner.bytes == "w-one");
        CHECK(marked.number == number);
    };
    stage.assign(10);
    for (std::uint64_t number : {3, 4}) {  // and once more
        relay(stage.job, {0, 4}, number);
        CHECK(stage.gathered() == std::vector<Range>{{0, 4}});
        answered(number);
    }
    relay(fanfold::testing::job_number(9), {0, 1}, 5);  // of a job that is not known
    answered(5);
}
