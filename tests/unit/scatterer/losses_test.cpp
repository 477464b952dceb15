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

void forget_questions(Bench& bench) {
    std::erase_if(bench.actions, [](const Action& action) {
        return std::holds_alternative<SendGatherer>(action);
    });
}
}  // namespace

TEST_CASE("what a silent gatherer did not send is never passed off as delivered") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.broker(ended(wire::Outcome::complete, 10));
    bench.take<JobEnded>();
    bench.pass(14s);
    forget_questions(bench);
    bench.expect_nothing();
    bench.pass(2s);
    forget_questions(bench);
    CHECK(bench.take<JobRefused>().text.find("does not send its results") != std::string::npos);
}

TEST_CASE("a job that ends without its gatherer's word is concluded by what was delivered") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {0, 3});
    bench.expect_delivery({0, 3}, 1);
    auto end = ended(wire::Outcome::cancelled, 5);
    end.missing = {{"cancelled", {{2, 4}, {5, 10}}}};
    bench.broker(end);
    bench.take<JobEnded>();
    bench.pass(16s);
    forget_questions(bench);
    auto concluded = bench.take<JobConcluded>().end;
    CHECK(concluded.outcome == wire::Outcome::cancelled);
    CHECK(concluded.values == 3);
    REQUIRE(concluded.missing.size() == 2);
    CHECK(to_string(concluded.missing[0].ranges) == "3,5-9");
    CHECK(concluded.missing[1].reason == "not delivered");
    CHECK(to_string(concluded.missing[1].ranges) == "4");
}

TEST_CASE("a cancel waits for the broker to know the job, and the job is made known until then") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10), 10});
    bench.pushed();  // lost
    bench.asked<wire::Collect>("G1");
    bench.step(CancelJob{job, "enough"});
    bench.expect_nothing();
    bench.pass(2500ms);
    forget_questions(bench);
    bench.pushed();
    bench.accept(10);
    CHECK(bench.sent<wire::Cancel>().reason == "enough");
}

TEST_CASE("a job that was lost with the broker's memory and comes to life again is cancelled") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.broker(welcome(2));
    bench.take<JobConcluded>();
    bench.take<Connected>();
    bench.accept(10);
    CHECK(bench.sent<wire::Cancel>().job == job);
}

TEST_CASE(
    "an owner looks after its job now and then, since the word of its end may have been lost") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.pass(9s);
    forget_questions(bench);
    bench.expect_nothing();
    bench.pass(2s);
    forget_questions(bench);
    CHECK(bench.sent<wire::Watch>().job == job);
}
