// A message about the end of a job that was lost on its way to the gatherer. Found by the
// simulator.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;
using namespace std::chrono_literals;

TEST_SUITE_BEGIN("gatherer");

TEST_CASE("a collector that asks again makes the gatherer ask whether the job still runs") {
    Stage stage;
    stage.assign(5);
    stage.collect("c1", {.ordered = true});
    stage.collect("c1", {.ordered = true});  // at once: nothing to ask yet
    stage.later(gatherer::limits::resend_after);
    stage.collect("c1", {.ordered = true});
    CHECK(stage.expect<wire::Gathered>().ranges.empty());
    stage.collect("c1", {.ordered = true});  // and not at each question
    stage.ended(wire::Outcome::cancelled);
    CHECK(stage.expect<wire::Concluded>("c1").outcome == wire::Outcome::cancelled);
}

TEST_CASE(
    "a job that has ended here and is given to us again by another life of the broker: it hears "
    "the outcome") {
    Stage stage;
    stage.broker_minor = wire::minor_of_holds - 1;
    stage.assign(5);
    stage.welcome(2);
    stage.assign(5);
    stage.gathered();
    CHECK(stage.expect<wire::Propose>().outcome == wire::Outcome::failed);
    stage.later(5s);  // it is said when asked, and not again by itself
}

TEST_SUITE_END();
