#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("final errors go in batches, one on its way at a time") {
    Fleet fleet;
    JobId job = fleet.open(1, 5);
    fleet.assigned("g");
    fleet.opened_by("c");
    fleet.ignore<wire::Assign, wire::Dispatch>();
    const std::string output(broker::limits::block_bytes / 3, 'x');
    for (Index index = 0; index < 5; ++index)
        fleet.say(
            "w",
            wire::Done{
                .failures = {{.job = job,
                              .failures = {{.index = index, .output_bytes = output.size()}}}}},
            Slice::copy(output));
    Slice body;
    CHECK(fleet.expect<wire::Errors>("g", &body).failures.size() == 1);  // as it came
    CHECK(body.size() == output.size());
    fleet.pass(1s);
    fleet.say("g", wire::Heartbeat{});
    fleet.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    auto batch = fleet.expect<wire::Errors>("g", &body);
    CHECK(batch.failures.size() == 3);  // as many as a block has bytes
    CHECK(batch.failures.front().index == 1);
    CHECK(body.size() == 3 * output.size());
    int sent = 0;
    for (int second = 0; second < 20; ++second) {
        fleet.pass(1s);
        fleet.say("g", wire::Heartbeat{});
        for (const auto& again : fleet.expect_all<wire::Errors>("g")) {
            CHECK(again.failures.front().index == 1);
            ++sent;
        }
    }
    CHECK(sent == 3);  // after 2, 6 and 14 seconds
    fleet.say("g", wire::Gathered{.job = job, .ranges = {{1, 4}}});
    CHECK(fleet.expect<wire::Errors>("g").failures.front().index == 4);
}

TEST_CASE("retries are invisible until none is left") {
    Fleet fleet;
    auto spec = Stage::spec();
    spec.retries = 2;
    JobId job = fleet.open(1, 1, spec);
    fleet.assigned("g");
    fleet.opened_by("c");
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
        CHECK(fleet.expect<wire::Dispatch>("w").attempt == attempt);
        fleet.failed("w", job, 0, attempt);
    }
    auto errors = fleet.expect<wire::Errors>("g");
    CHECK(errors.failures.at(0).attempt == 3);
    CHECK(errors.failures.at(0).worker == "w");
    fleet.pass(3s);
    fleet.assigned("g");  // not confirmed: told again
    CHECK(fleet.expect<wire::Errors>("g").failures.size() == 1);
    fleet.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    fleet.pass(3s);
    fleet.expect_all<wire::Assign>("g");  // its collector may be waiting for it
    CHECK(fleet.expect_all<wire::Errors>("g").empty());
}

TEST_CASE("a failure of another attempt, or of a fragment that is not on loan, changes nothing") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    fleet.failed("w", job, 0, 2);
    fleet.failed("w", job, 5);
    CHECK(fleet.core->jobs().at(job).books.loans().first().size() == 1);
}

TEST_CASE(
    "a dead worker's chunks go back to the queue, what it had finished only if the gatherer has "
    "not got it") {
    Fleet fleet;
    JobId job = fleet.open(1, 3);
    fleet.expect<wire::Dispatch>("w");
    fleet.done("w", job, {0, 1}, 1s);
    fleet.expect<wire::Dispatch>("w");
    fleet.assigned("g");
    fleet.opened_by("c");
    fleet.step(Unroutable{{"w"}});
    CHECK(fleet.expect<wire::Notice>("c").text.find("no worker offers the function 'f'") == 0);
    fleet.worker("v", 1, 2);
    auto again = fleet.expect<wire::Dispatch>("v");
    CHECK(again.first == 1);
    CHECK(again.attempt == 2);
    CHECK(again.brief.has_value());
    fleet.pass(1s);  // limbo is over
    fleet.done("v", job, {1, 2}, 1s);
    CHECK(fleet.expect<wire::Dispatch>("v").first == 0);
}

TEST_CASE("a result that arrives after its worker died is taken") {
    Fleet fleet;
    JobId job = fleet.open(1, 2);
    fleet.step(Unroutable{{"w"}});
    fleet.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    CHECK(fleet.core->jobs().at(job).books.settled().safe().size() == 1);
    CHECK(fleet.core->jobs().at(job).books.queue().size() == 1);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Notice, wire::Sealed>();
}

TEST_CASE(
    "a fragment that kills its worker is found, runs alone, and ends as crashed; its neighbours do "
    "not") {
    Fleet fleet;
    JobId job = fleet.open(1, 50);
    fleet.done("w", job, {0, 1}, 1us);  // now a long chunk
    int deaths = 0;
    std::string name = "w";
    std::set<Index> finished{0};
    for (int i = 0; i < 200 && fleet.core->jobs().at(job).books.settled().failed().size() == 0;
         ++i) {
        auto dispatches = fleet.expect_all<wire::Dispatch>(name.c_str());
        if (dispatches.empty()) break;
        bool died = false;
        for (auto& dispatch : dispatches) {
            if (dispatch.first <= 30 && 30 < dispatch.first + dispatch.count) died = true;
            if (died) break;
            if (dispatch.first == 0 && dispatch.count == 1) continue;
            fleet.done(name.c_str(), job, {dispatch.first, dispatch.first + dispatch.count}, 1us);
            for (Index k = dispatch.first; k < dispatch.first + dispatch.count; ++k)
                finished.insert(k);
        }
        if (!died) continue;
        ++deaths;
        fleet.step(Unroutable{{name}});
        name = "w" + std::to_string(deaths);
        fleet.worker(name.c_str(), 1, 10 + static_cast<std::uint64_t>(deaths), "w");
    }
    CHECK(fleet.core->jobs().at(job).books.settled().failed().size() == 1);
    CHECK(deaths == 4);  // once in company, three times alone
    fleet.skip<wire::Accepted, wire::Notice, wire::Sealed>("c");
    fleet.expect_all<wire::Assign>("g");
    auto errors = fleet.expect<wire::Errors>("g");
    CHECK(errors.failures.at(0).index == 30);
    CHECK(errors.failures.at(0).kind == wire::FailureKind::crashed);
    fleet.ignore<wire::Dispatch>();
}

TEST_CASE("a worker that says goodbye makes nobody a suspect") {
    Fleet fleet;
    JobId job = fleet.open(1, 4);
    fleet.done("w", job, {0, 1}, 1us);
    fleet.skip<wire::Dispatch>("w");
    fleet.say("w", wire::Bye{});
    fleet.worker("v", 1, 2);
    CHECK(fleet.expect<wire::Dispatch>("v").count == 3);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Notice, wire::Sealed>();
}

TEST_CASE("silence past the timeout is death, a pause of the broker's own is not") {
    Fleet fleet;
    fleet.open(1, 1);
    fleet.now += 1min;  // the broker itself stood still
    fleet.step(Tick{});
    CHECK(fleet.core->sessions().contains({"w"}));
    fleet.pass(6s);
    CHECK_FALSE(fleet.core->sessions().contains({"w"}));
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
}

TEST_CASE("a worker over a new connection goes on with what it holds") {
    Fleet fleet;
    JobId job = fleet.open(1, 2);
    fleet.expect<wire::Dispatch>("w");
    fleet.worker("w2", 1, 1, "w");  // the same life
    CHECK_FALSE(fleet.core->sessions().contains({"w"}));
    CHECK(fleet.core->jobs().at(job).books.loans().first().size() == 1);
    fleet.say("w2", wire::Heartbeat{.handled = 0, .held = {{job, {{0, 1}}}}});
    CHECK(fleet.core->jobs().at(job).books.loans().first().size() == 1);
    fleet.say("w2", wire::Heartbeat{.handled = 0});  // it has lost it
    CHECK(fleet.expect<wire::Dispatch>("w2").first == 0);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE("an inventory is checked against the books") {
    Fleet fleet;
    JobId job = fleet.open(1, 3);
    auto first = fleet.expect<wire::Dispatch>("w");
    SUBCASE("a dispatch that it has not seen yet is left alone") {
        fleet.say("w", wire::Heartbeat{.handled = 0});
        CHECK(fleet.core->jobs().at(job).books.loans().first().size() == 1);
    }
    SUBCASE("a dispatch that it has seen and does not hold is queued again, and goes out again") {
        fleet.say("w", wire::Heartbeat{.handled = first.sequence});
        CHECK(fleet.expect<wire::Dispatch>("w").attempt == 2);
    }
    SUBCASE("what it runs and nobody lent is adopted if it waits, released if it is decided") {
        fleet.say("g", wire::Gathered{.job = job, .ranges = {{1, 2}}});
        fleet.say("w", wire::Heartbeat{.handled = first.sequence, .held = {{job, {{0, 3}}}}});
        CHECK(fleet.expect<wire::Release>("w").items[0].ranges == std::vector<Range>{{1, 2}});
        CHECK(fleet.core->jobs().at(job).books.loans().first().size() == 2);
    }
    SUBCASE("a job that nobody knows is dropped") {
        fleet.say("w", wire::Heartbeat{.handled = first.sequence,
                                       .held = {{job, {{0, 1}}}},
                                       .kept = {{job_number(9), {{0, 4}}}}});
        CHECK(fleet.expect<wire::Drop>("w").job == job_number(9));
    }
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE("what a full worker gives back is run elsewhere, as the same attempt") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.expect<wire::Dispatch>("w");
    fleet.say("w", wire::Done{.returned = {{job, {{0, 1}}}}});
    fleet.worker("v", 1, 2);
    auto dispatch = fleet.expect<wire::Dispatch>("v");
    CHECK(dispatch.first == 0);
    CHECK(dispatch.attempt == 1);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE("past what a job tolerates nothing of it begins, before its gatherer has ended it") {
    Fleet fleet;
    auto spec = Fleet::spec();
    spec.tolerance = true;
    spec.max_failures = 1;
    JobId job = fleet.open(1, 3, spec);
    CHECK(fleet.expect<wire::Dispatch>("w").brief.has_value());
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed, wire::Errors, wire::Dispatch>();
    auto fail = [&](Index index) {
        fleet.say("w", wire::Done{.failures = {{job, {{.index = index}}}},
                                  .recalled = {{job, {{index + 1, 3}}}}});
    };
    fail(0);
    auto next = fleet.expect<wire::Dispatch>("w");
    CHECK(next.first == 1);
    CHECK(next.brief.has_value());  // the sign that the failure was heard
    fleet.ignore<wire::Errors, wire::Dispatch>();
    fail(1);
    CHECK(fleet.expect_all<wire::Dispatch>("w").empty());
    CHECK(fleet.core->jobs().at(job).books.queue().size() == 1);
    fleet.ignore<wire::Errors>();
}
