// Loss known by order, at the broker: what it answers to marks, what it sends on, and what it never
// does because time has passed.
#include <doctest/doctest.h>

#include "shared/wire/objects.hpp"
#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
struct MarkingFleet : Stage {
    MarkingFleet() {
        peers_minor = wire::minor_of_marks;
        client("c");
        gatherer("g");
        worker("w");
    }
    void open_one() {
        open(1, 1);
        opened_by("c");
        assigned("g");
    }
};

std::uint64_t highest_sent(Stage& stage) {
    std::uint64_t sent = 0;
    stage.on_send = [&](const Send& send) {
        if (auto* beat = std::get_if<wire::Heartbeat>(&send.message); beat && send.to.bytes == "w")
            sent = beat->handled;
    };
    stage.pass(1s);
    stage.on_send = {};
    return sent;
}

/// All of the peers live, and the worker has not had what it was sent.
void live_without_arrivals(Stage& stage, Duration time) {
    for (Time end = stage.now + time; stage.now < end;) {
        stage.pass(500ms);
        stage.say("w", wire::Heartbeat{});
        stage.say("g", wire::Heartbeat{});
        stage.say("c", wire::Heartbeat{});
    }
}
}  // namespace

TEST_CASE("a dispatch on a slow link is not given to another, whatever time passes") {
    MarkingFleet fleet;
    fleet.open_one();
    fleet.expect<wire::Dispatch>("w");
    fleet.worker("w2");
    live_without_arrivals(fleet, 60s);
    fleet.skip<wire::Assign>("g");
    CHECK(fleet.silent("w"));
    CHECK(fleet.silent("w2"));
}

TEST_CASE("a dispatch that the broker's heartbeat has overtaken is lost, and comes again") {
    MarkingFleet fleet;
    fleet.open_one();
    CHECK(fleet.expect<wire::Dispatch>("w").sequence == 1);
    CHECK(highest_sent(fleet) == 1);
    fleet.say("w", wire::Heartbeat{.handled = 1});
    auto again = fleet.expect<wire::Dispatch>("w");
    CHECK(again.sequence == 2);
    CHECK(again.first == 0);
    CHECK(highest_sent(fleet) == 2);
    fleet.skip<wire::Assign>("g");
}

TEST_CASE("a client's mark is answered behind what is accepted") {
    MarkingFleet fleet;
    wire::Mark mark{.job = job_number(1), .owner = {"c"}, .number = 4};
    fleet.step(Pulled{mark, {}});
    auto marked = fleet.expect<wire::Marked>("c");  // no block of it has come
    CHECK(marked.number == 4);
    CHECK(marked.owner.bytes.empty());
    fleet.open(1, 1);
    fleet.step(Pulled{mark, {}});
    fleet.opened_by("c");
    CHECK(fleet.expect<wire::Accepted>("c").next == 1);
    CHECK(fleet.expect<wire::Marked>("c").number == 4);
    fleet.assigned("g");
    fleet.expect<wire::Dispatch>("w");
    SUBCASE("not one for another user's connection, or for none") {
        mark.owner = {"nobody"};
        fleet.step(Pulled{mark, {}});
        mark.owner = {"w"};
        fleet.step(Pulled{mark, {}});
        mark.owner = {"c"};
        fleet.step(Pulled{mark, {}, Sender{.user = "eve", .roles = {}, .public_key = {}}});
        CHECK(fleet.silent());
    }
}

TEST_CASE("a gatherer's answer goes on to its worker, behind the releases") {
    MarkingFleet fleet;
    fleet.open(1, 2);
    fleet.opened_by("c");
    fleet.assigned("g");
    auto first = fleet.expect<wire::Dispatch>("w");
    fleet.done("w", job_number(1), {first.first, first.first + first.count});
    fleet.skip<wire::Dispatch>("w");
    fleet.say("g", wire::Gathered{.job = job_number(1), .ranges = {{0, first.count}}});
    fleet.say("g", wire::Marked{.job = job_number(1), .owner = {"w"}, .number = 9});
    CHECK(fleet.expect<wire::Release>("w").items.front().ranges ==
          std::vector<Range>{{0, first.count}});
    auto marked = fleet.expect<wire::Marked>("w");
    CHECK(marked.number == 9);
    CHECK(marked.owner.bytes.empty());
    fleet.say("g", wire::Marked{.job = job_number(1), .owner = {"c"}, .number = 9});  // no worker
    CHECK(fleet.silent("c"));
    fleet.say("w", wire::Marked{.job = job_number(1), .owner = {"w"}, .number = 9});
    CHECK(fleet.expect<wire::Refused>("w").code == wire::RefusalCode::not_allowed);
}

TEST_CASE("final errors on a slow link are asked for, and sent again when they are lost") {
    MarkingFleet fleet;
    fleet.open_one();
    fleet.expect<wire::Dispatch>("w");
    fleet.failed("w", job_number(1), 0);
    fleet.expect<wire::Errors>("g");
    live_without_arrivals(fleet, 20s);
    fleet.skip<wire::Release, wire::Drop>("w");
    std::vector<wire::Mark> marks;
    for (auto& action : fleet.take_rest())
        if (auto* mark = std::get_if<wire::Mark>(&std::get<Send>(action).message))
            marks.push_back(*mark);
        else CHECK_FALSE(std::holds_alternative<wire::Errors>(std::get<Send>(action).message));
    CHECK(marks.size() == 3);  // after 2 s, 4 s more, 8 s more
    REQUIRE_FALSE(marks.empty());
    wire::Marked marked{.job = job_number(1), .number = marks.front().number};
    fleet.say("g", marked);
    CHECK(fleet.expect<wire::Errors>("g").failures.front().index == 0);
    fleet.say("g", marked);  // the answer to a mark from before that
    CHECK(fleet.silent("g"));
}

TEST_CASE("no more is lent to a worker than its link takes, and parts of messages are life") {
    MarkingFleet fleet;
    fleet.worker("w2");
    fleet.say("w2", wire::Bye{});
    wire::Block first{.job = job_number(1), .token = 1, .first = 0, .count = 4, .stride = 4};
    first.spec = Stage::spec();
    first.total = 4;
    std::string payloads;
    for (int i = 0; i < 4; ++i) payloads += wire::pack_bytes(std::string(400'000, 'x'));
    fleet.say("w", wire::Hello{.role = wire::Role::worker, .name = "w"});
    fleet.expect<wire::Welcome>("w");
    fleet.worker("wide", 4);
    fleet.say("w", wire::Bye{});
    fleet.block(std::move(first), Slice::take(std::move(payloads)));
    fleet.opened_by("c");
    fleet.assigned("g");
    auto sent = fleet.expect<wire::Dispatch>("wide");
    CHECK(fleet.silent("wide"));  // though it has three free slots
    fleet.now += 100ms;
    fleet.say("wide", wire::Done{.arrived = sent.sequence});
    CHECK(fleet.expect_all<wire::Dispatch>("wide").size() == 3);  // 4 MB/s were seen
    for (int second = 0; second < 20; ++second) {
        fleet.pass(1s);
        fleet.step(Arriving{{"wide"}});
        fleet.say("g", wire::Heartbeat{});
        fleet.say("c", wire::Heartbeat{});
    }
    fleet.skip<wire::Assign>("g");
    CHECK(fleet.core->sessions().contains({"wide"}));
    fleet.step(Arriving{{"wide"}, Sender{.user = "eve", .roles = {}, .public_key = {}}});
    fleet.pass(6s);
    CHECK_FALSE(fleet.core->sessions().contains({"wide"}));
    fleet.take_rest();
}
