// A message about the end of a job that was lost on its way to the gatherer. Found by the
// simulator.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("gatherer");

TEST_CASE("a collector that asks again makes the gatherer ask whether the job still runs") {
    Bench bench;
    bench.assign(5);
    bench.collect("c1", {.ordered = true});
    bench.collect("c1", {.ordered = true});  // at once: nothing to ask yet
    bench.later(gatherer::limits::resend_after);
    bench.collect("c1", {.ordered = true});
    CHECK(bench.broker<wire::Gathered>().ranges.empty());
    bench.collect("c1", {.ordered = true});  // and not at each question
    bench.ended(wire::Outcome::cancelled);
    CHECK(bench.to<wire::Concluded>("c1").outcome == wire::Outcome::cancelled);
}

TEST_CASE(
    "a job that has ended here and is given to us again by another life of the broker: it hears "
    "the outcome") {
    Bench bench;
    bench.assign(5);
    bench.welcome(2);
    bench.assign(5);
    CHECK(bench.broker<wire::Propose>().outcome == wire::Outcome::failed);
    bench.later(5s);  // it is said when asked, and not again by itself
}

TEST_SUITE_END();
