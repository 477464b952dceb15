// Single messages that a breaking connection loses while both ends live: what the broker does to
// notice. Each was found by the simulator.
#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("a dispatch that was lost as the last of a connection is sent again, with its brief") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    CHECK(fleet.expect<wire::Dispatch>("w").brief.has_value());  // lost
    fleet.assigned("g");
    fleet.opened_by("c");
    for (int i = 0; i < 3; ++i) {
        fleet.pass(500ms);
        fleet.say("w", wire::Heartbeat{.handled = 0});
        CHECK(fleet.expect_all<wire::Dispatch>("w").empty());  // it may be on its way
    }
    fleet.pass(500ms);
    fleet.say("w", wire::Heartbeat{.handled = 0});
    auto again = fleet.expect<wire::Dispatch>("w");
    CHECK(again.sequence == 2);
    // The worker knows nothing of the job and gives it back; an inventory in between changes
    // nothing about that.
    fleet.say("w", wire::Done{.returned = {{job, {{0, 1}}}}});
    fleet.say("w", wire::Heartbeat{.handled = 2});
    fleet.pass(1s);
    CHECK(fleet.expect<wire::Dispatch>("w").brief.has_value());
    fleet.ignore<wire::Assign>();
}

TEST_CASE("a dispatch to a worker whose inventory names it is not sent again") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.expect<wire::Dispatch>("w");
    for (int i = 0; i < 10; ++i) {
        fleet.pass(500ms);
        fleet.say("w", wire::Heartbeat{.handled = 1, .held = {{job, {{0, 1}}}}});
        CHECK(fleet.expect_all<wire::Dispatch>("w").empty());
    }
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE(
    "a gatherer is told of its job again, ever more seldom, and of its end when it still speaks of "
    "it") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.assigned("g");
    fleet.pass(2100ms);
    CHECK(fleet.expect_all<wire::Assign>("g").size() == 1);
    fleet.pass(2s);
    CHECK(fleet.expect_all<wire::Assign>("g").empty());
    for (const char* peer : {"g", "c"}) fleet.say(peer, wire::Heartbeat{});
    fleet.say("w", wire::Heartbeat{.handled = 1, .held = {{job, {{0, 1}}}}});
    fleet.pass(2500ms);
    CHECK(fleet.expect_all<wire::Assign>("g").size() == 1);
    fleet.say("c", wire::Cancel{.job = job, .reason = "enough"});
    fleet.skip<wire::Ended>("g");  // lost
    fleet.say("g", wire::Gathered{.job = job});
    CHECK(fleet.expect<wire::Ended>("g").outcome == wire::Outcome::cancelled);
    fleet.ignore<wire::Accepted, wire::Dispatch, wire::Drop, wire::Ended, wire::Sealed>();
}

TEST_CASE("a job that is not whole ends some time after its client, submitted or not") {
    Fleet fleet;
    wire::Block first{.job = job_number(1), .token = 1, .first = 0, .count = 1, .stride = 1};
    first.spec = Stage::spec();
    fleet.block(first, Slice::take("\x07"));
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch>();
    fleet.step(Unroutable{{"c"}});
    fleet.say("w", wire::Heartbeat{.handled = 1, .held = {{job_number(1), {{0, 1}}}}});
    fleet.pass(3s);
    CHECK(fleet.core->jobs().at(job_number(1)).running());
    fleet.pass(broker::limits::client_lease);
    CHECK(fleet.core->jobs().at(job_number(1)).life->end.outcome == wire::Outcome::cancelled);
}

TEST_CASE("a block of a job that has ended is answered to the connection that it came with") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.say("c", wire::Cancel{.job = job, .reason = "enough"});
    fleet.step(Unroutable{{"c"}});
    fleet.client("d");
    auto spec = Stage::spec();
    spec.owner = {"d"};
    fleet.open(1, 1, spec);
    CHECK(fleet.expect<wire::Ended>("d").outcome == wire::Outcome::cancelled);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended,
                 wire::Sealed>();
}

TEST_CASE("a client whose first block was faster than its hello owns its job") {
    Fleet fleet;
    auto spec = Stage::spec();
    spec.owner = {"d"};
    spec.attached = true;
    spec.preferred_gatherer = "away";
    JobId job = fleet.open(1, 1, spec);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    fleet.skip<wire::Located>("d");  // whatever it was told is lost
    fleet.say("d", wire::Hello{.role = wire::Role::client, .name = "D", .epoch = {0, 9}});
    fleet.expect<wire::Welcome>("d");
    fleet.expect_all<wire::Accepted>("d");
    fleet.expect_all<wire::Sealed>("d");
    CHECK(fleet.expect<wire::Located>("d").job == job);
    for (int i = 0; i < 4; ++i) {
        fleet.pass(500ms);
        fleet.say("d", wire::Heartbeat{});
    }
    CHECK(fleet.core->jobs().at(job).running());
}

TEST_CASE(
    "an idle worker gets every third heartbeat, and every one while the broker believes that it "
    "has something") {
    Fleet fleet;
    int beats = 0;
    auto pass = [&](int heartbeats) {
        beats = 0;
        for (int i = 0; i < heartbeats; ++i) {
            fleet.now += 500ms;
            std::vector<Action> actions;
            fleet.core->step(fleet.now, Tick{}, actions);
            for (const Action& action : actions) {
                const auto* send = std::get_if<Send>(&action);
                if (send && send->to == PeerId{"w"} &&
                    std::holds_alternative<wire::Heartbeat>(send->message))
                    ++beats;
            }
            for (const char* peer : {"g", "c"})
                fleet.core->step(fleet.now, Received{{peer}, wire::Heartbeat{}, {}}, actions);
        }
        fleet.say("w", wire::Heartbeat{.handled = 1});
        return beats;
    };
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    pass(3);
    for (int i = 0; i < 3; ++i) CHECK(pass(3) == 1);
    JobId job = fleet.open(1, 1);
    CHECK(fleet.expect_all<wire::Dispatch>("w").size() == 1);
    fleet.say("w", wire::Heartbeat{.handled = 1, .held = {{job, {{0, 1}}}}});
    CHECK(pass(1) == 1);
}
