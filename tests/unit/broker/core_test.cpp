#include <doctest/doctest.h>

#include "broker/dispatch/scheduler.hpp"
#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("a small job: one block in, a chunk out, safe, complete") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    Slice body;
    auto dispatch = fleet.expect<wire::Dispatch>("w", &body);
    CHECK(dispatch.first == 0);
    CHECK(dispatch.count == 1);
    CHECK(dispatch.attempt == 1);
    REQUIRE(dispatch.brief);
    CHECK(dispatch.brief->gatherer.name == "G");
    CHECK(body.view() == "\x07");
    CHECK(fleet.expect_all<wire::Assign>("g").back().total == 1);
    auto accepted = fleet.expect<wire::Accepted>("c");
    CHECK(accepted.next == 1);
    CHECK(fleet.expect<wire::Sealed>("c").total == 1);

    fleet.done("w", job, {0, 1});
    fleet.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    fleet.pass(5ms);
    CHECK(fleet.expect<wire::Release>("w").items[0].ranges == std::vector<Range>{{0, 1}});
    fleet.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::complete});
    CHECK(fleet.expect<wire::Ended>("g").outcome == wire::Outcome::complete);
    CHECK(fleet.expect<wire::Ended>("c").missing.empty());
    CHECK(fleet.expect<wire::Drop>("w").job == job);
}

TEST_CASE("blocks: doubled ones are ignored, gaps are answered, a foreign token is nobody") {
    Fleet fleet;
    JobId job = job_number(1);
    wire::Block first{.job = job, .token = 1, .first = 0, .count = 1, .stride = 16};
    first.spec = Stage::spec();
    fleet.block(first, Slice::copy("\x01"));
    fleet.expect<wire::Dispatch>("w");
    CHECK(fleet.expect<wire::Accepted>("c").next == 1);
    fleet.assigned("g");
    fleet.block(first, Slice::copy("\x01"));
    CHECK(fleet.expect<wire::Accepted>("c").next == 1);
    wire::Block later{.job = job, .token = 1, .first = 5, .count = 1, .stride = 16};
    fleet.block(later, Slice::copy("\x01"));
    CHECK(fleet.expect<wire::Accepted>("c").next == 1);
    wire::Block foreign{.job = job, .token = 2, .first = 1, .count = 1, .stride = 16};
    fleet.block(foreign, Slice::copy("\x01"));
    fleet.say("c", wire::Seal{.job = job, .token = 1, .total = 3});
    CHECK(fleet.expect<wire::Accepted>("c").next == 1);  // what is lacking
    wire::Block second{.job = job, .token = 1, .first = 1, .count = 2, .stride = 16};
    fleet.block(second, Slice::copy("\x01\x02"));
    CHECK(fleet.expect<wire::Accepted>("c").next == 3);
    CHECK(fleet.expect<wire::Sealed>("c").total == 3);  // the seal had come before its blocks
    fleet.assigned("g");
    fleet.say("c", wire::Seal{.job = job, .token = 1, .total = 3});
    CHECK(fleet.expect<wire::Sealed>("c").total == 3);
    fleet.say("c", wire::Seal{.job = job, .token = 1, .total = 4});
    CHECK(fleet.expect<wire::Refused>("c").code == wire::RefusalCode::conflict);
}

TEST_CASE("a malformed block ends its job and nobody else's") {
    Fleet fleet;
    wire::Block bad{
        .job = job_number(1), .token = 1, .first = 0, .count = 40, .stride = 16, .cuts = "abc"};
    bad.spec = Stage::spec();
    fleet.block(bad, Slice::copy("\x01"));
    CHECK(fleet.expect<wire::Refused>("c").code == wire::RefusalCode::malformed);
    CHECK(fleet.core->jobs().empty());
    fleet.step(Garbled{{"x"}, "nonsense"});
    fleet.say("x", wire::Done{});
    CHECK(fleet.expect<wire::Refused>("x").text == "say Hello first");
    fleet.say("w", wire::Seal{});
    CHECK(fleet.expect<wire::Refused>("w").code == wire::RefusalCode::not_allowed);
}

TEST_CASE("another major version is refused with both numbers") {
    Stage stage;
    stage.say("x", wire::Hello{.major = 9, .minor = 4});
    auto refused = stage.expect<wire::Refused>("x");
    CHECK(refused.code == wire::RefusalCode::version);
    CHECK(refused.text.find("9.4") != std::string::npos);
    CHECK(refused.text.find(std::to_string(wire::version_major) + "." +
                            std::to_string(wire::version_minor)) != std::string::npos);
}

TEST_CASE("late binding: a fragment of unknown length goes to a free slot only") {
    Fleet fleet;
    JobId job = fleet.open(1, 3);
    CHECK(fleet.expect<wire::Dispatch>("w").count == 1);
    fleet.assigned("g");
    fleet.opened_by("c");
    fleet.worker("v", 1, 2);
    CHECK(fleet.expect<wire::Dispatch>("v").first == 1);
    fleet.done("v", job, {1, 2}, 1s);
    CHECK(fleet.expect<wire::Dispatch>("v").first == 2);
}

TEST_CASE("chunks grow with what is learned, and a small quick job stays whole") {
    Fleet fleet;
    JobId first = fleet.open(1, 100);
    CHECK(fleet.expect<wire::Dispatch>("w").count == 1);
    fleet.done("w", first, {0, 1}, 1us);
    auto second = fleet.expect<wire::Dispatch>("w");
    CHECK(second.first == 1);
    CHECK(second.count == 99);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE("the size of chunks") {
    ChunkInputs inputs{
        .queued = 1'000'000, .longest = 8192, .slots = 2, .nanoseconds_each = 0, .bytes_each = 10};
    CHECK(chunk_size(inputs) == 1);  // nothing is known
    inputs.nanoseconds_each = 1000;
    CHECK(chunk_size(inputs) == 5000);  // five milliseconds
    inputs.nanoseconds_each = 10;
    CHECK(chunk_size(inputs) == 8192);  // the most
    inputs.bytes_each = 1 << 20;
    CHECK(chunk_size(inputs) == 1);  // large payloads one by one
    inputs = {
        .queued = 400, .longest = 8192, .slots = 10, .nanoseconds_each = 100'000, .bytes_each = 10};
    CHECK(chunk_size(inputs) == 20);  // R/2P
    inputs.queued = 10;
    CHECK(chunk_size(inputs) == 5);  // not worth splitting further
    inputs.nanoseconds_each = 1e9;
    CHECK(chunk_size(inputs) == 1);
}

TEST_CASE("an attached job ends with its client, past the lease; not if it comes back") {
    Fleet fleet;
    auto spec = Stage::spec();
    spec.attached = true;
    fleet.open(1, 1, spec);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended,
                 wire::Sealed>();
    fleet.step(Unroutable{{"c"}});
    fleet.pass(500ms);
    SUBCASE("it stays away") {
        fleet.pass(1s);
        CHECK(fleet.core->jobs().at(job_number(1)).life->end.outcome == wire::Outcome::cancelled);
    }
    SUBCASE("it comes back, and has let go of the job") {
        fleet.client("c2", 5);
        fleet.pass(1s);
        CHECK_FALSE(fleet.core->jobs().at(job_number(1)).running());
    }
    SUBCASE("it comes back and speaks of it") {
        fleet.client("c2", 5);
        fleet.say("c2", wire::Watch{job_number(1)});
        fleet.expect<wire::Located>("c2");
        fleet.pass(1s);
        CHECK(fleet.core->jobs().at(job_number(1)).running());
    }
}

TEST_CASE("a gatherer that comes back goes on; one that lost its memory ends what it held") {
    Fleet fleet;
    JobId held = fleet.open(1, 2), fresh = fleet.open(2, 2);
    fleet.say("g", wire::Gathered{.job = held, .ranges = {{0, 1}}});
    fleet.step(Unroutable{{"g"}});
    fleet.skip<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    SUBCASE("the same life") {
        fleet.gatherer("g2", 1);
        CHECK(fleet.expect_all<wire::Assign>("g2").size() == 2);
        CHECK(fleet.core->jobs().at(held).running());
    }
    SUBCASE("another life") {
        fleet.gatherer("g2", 2);
        CHECK(fleet.core->jobs().at(held).life->end.outcome == wire::Outcome::failed);
        CHECK(fleet.core->jobs().at(fresh).running());
        CHECK(fleet.core->jobs().at(fresh).assignment->number == 2);
    }
    SUBCASE("it stays away") {
        fleet.pass(15s);
        CHECK(fleet.core->jobs().at(held).life->end.reason.find("is gone") != std::string::npos);
    }
    fleet.ignore<wire::Assign, wire::Drop, wire::Ended, wire::Located, wire::Notice, wire::Release,
                 wire::SendAgain>();
}

TEST_CASE("outcomes: first writer wins, and what is missing is told by reason") {
    Fleet fleet;
    JobId job = fleet.open(1, 4);
    fleet.skip<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    fleet.client("d", 6);
    fleet.say("d", wire::Watch{job});
    CHECK(fleet.expect<wire::Located>("d").gatherer.name == "G");
    fleet.say("c", wire::Cancel{.job = job, .reason = "enough"});
    auto ended = fleet.expect<wire::Ended>("d");
    CHECK(ended.outcome == wire::Outcome::cancelled);
    REQUIRE(ended.missing.size() == 2);
    CHECK(ended.missing[0].ranges == std::vector<Range>{{0, 1}});
    CHECK(ended.missing[1].reason == "never started");
    CHECK(ended.missing[1].ranges == std::vector<Range>{{1, 4}});
    fleet.expect<wire::Ended>("c");
    fleet.expect<wire::Ended>("g");
    fleet.expect<wire::Drop>("w");
    fleet.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::complete});
    CHECK(fleet.expect<wire::Ended>("g").outcome == wire::Outcome::cancelled);
    fleet.say(
        "g",
        wire::Propose{
            .job = job, .assignment = 1, .outcome = wire::Outcome::complete, .every_value = true});
    CHECK(fleet.expect<wire::Ended>("g").outcome ==
          wire::Outcome::complete);  // collectors have seen it
    fleet.say("c", wire::Cancel{.job = job});
    CHECK(fleet.expect<wire::Ended>("c").outcome == wire::Outcome::complete);
    fleet.say("c", wire::Cancel{.job = job_number(8)});
    CHECK(fleet.expect<wire::Refused>("c").code == wire::RefusalCode::unknown_job);
    fleet.done("w", job, {0, 1});  // late: nobody cares
}

TEST_CASE("a proposal with every value says that all is gathered") {
    Fleet fleet;
    fleet.ignore<wire::Assign, wire::Dispatch, wire::Drop, wire::Ended>();
    JobId job = fleet.open(1, 2);
    fleet.done("w", job, {0, 1});
    fleet.skip<wire::Accepted, wire::Sealed>("c");
    fleet.say(
        "g",
        wire::Propose{
            .job = job, .assignment = 1, .outcome = wire::Outcome::complete, .every_value = true});
    auto ended = fleet.expect_all<wire::Ended>("c");
    REQUIRE(ended.size() == 1);
    CHECK(ended[0].outcome == wire::Outcome::complete);
    CHECK(ended[0].values == 2);
    CHECK(ended[0].missing.empty());
}

TEST_CASE("a deadline that its gatherer does not enforce ends past its grace") {
    Fleet fleet;
    auto spec = Stage::spec();
    spec.deadline = 1s;
    fleet.open(1, 1, spec);
    fleet.pass(6s);
    CHECK(fleet.core->jobs().at(job_number(1)).life->end.outcome == wire::Outcome::expired);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended,
                 wire::Sealed>();
}

TEST_CASE("no gatherer, no function in a fixed fleet: refused at once, saying so") {
    Stage stage;
    stage.pass(6s);  // before, one may be on its way
    stage.client("c");
    stage.open(1, 1);
    CHECK(stage.expect<wire::Refused>("c").code == wire::RefusalCode::no_gatherer);

    Stage fixed;
    fixed.core = std::make_unique<Core>(Options{.epoch = {}, .blocks = {"b"}, .fixed_fleet = true});
    fixed.client("c");
    fixed.gatherer("g");
    fixed.worker("w");
    auto spec = Stage::spec();
    spec.function = "g";
    fixed.open(1, 1, spec);
    auto refused = fixed.expect<wire::Refused>("c");
    CHECK(refused.text == "no worker offers the function 'g'; there is: f");
}

TEST_CASE("two jobs are served in turn") {
    Fleet fleet;
    JobId big = fleet.open(1, 40), small = fleet.open(2, 1);
    fleet.expect<wire::Dispatch>("w");
    fleet.done("w", big, {0, 1}, 10s);
    CHECK(fleet.expect<wire::Dispatch>("w").job == small);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE(
    "a job whose collector lags is dispatched no further than its window, but for the first "
    "missing index") {
    Fleet fleet;
    auto spec = Stage::spec();
    spec.attached = true;
    JobId job = fleet.open(1, 5, spec);
    CHECK(fleet.expect<wire::Dispatch>("w").first == 0);
    fleet.say("g", wire::Gathered{.job = job,
                                  .ranges = {{1, 2}},
                                  .held_bytes = broker::limits::held_results_bytes + 1});
    fleet.done("w", job, {0, 1}, 10s);
    CHECK(fleet.expect_all<wire::Dispatch>("w").empty());
    fleet.say("g", wire::Gathered{.job = job,
                                  .ranges = {{0, 1}},
                                  .held_bytes = broker::limits::held_results_bytes + 1});
    CHECK(fleet.expect<wire::Dispatch>("w").first == 2);  // the first missing
    fleet.say("g", wire::Gathered{.job = job, .ranges = {}, .held_bytes = 0});
    fleet.ignore<wire::Assign>();
}

TEST_CASE("more jobs than a message takes are told in several reports") {
    Fleet fleet;
    std::vector<JobId> opened, told;
    for (std::uint64_t n = 1; n <= 5000; ++n) {
        wire::Block block{
            .job = job_number(n), .token = 1, .first = 0, .count = 1, .stride = 1, .total = 1};
        block.spec = Stage::spec();
        block.spec->owner = {"c"};
        block.spec->title = std::string(500, 't');
        fleet.block(block, Slice::copy("\x07"));
        fleet.say("c", wire::Cancel{.job = block.job});
        opened.push_back(block.job);
    }
    wire::Report report{.more = true};
    for (std::uint64_t number = 1; report.more; ++number) {
        REQUIRE(number < 10);
        fleet.skip<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended,
                   wire::Sealed>();
        fleet.say("c",
                  wire::Query{.number = number, .after = told.empty() ? JobId{} : told.back()});
        report = fleet.expect<wire::Report>("c");
        CHECK(report.number == number);
        CHECK(wire::decode(wire::encode(report)));
        for (const auto& job : report.jobs) told.push_back(job.job);
    }
    CHECK(told == opened);
}

/// Functions whose names take about so many bytes.
static std::vector<std::string> functions_of(std::size_t bytes) {
    std::vector<std::string> functions;
    for (std::size_t i = 0; (i + 1) * fanfold::limits::name_bytes < bytes; ++i)
        functions.push_back(std::string(fanfold::limits::name_bytes - 8, 'f') + std::to_string(i));
    return functions;
}

TEST_CASE("more workers than a message takes are told in several reports") {
    Fleet fleet;
    std::vector<std::string> joined{"w"}, told;
    for (std::uint64_t n = 100; n < 116; ++n) {
        std::string name = "many-" + std::to_string(n);
        fleet.say(name.c_str(), wire::Hello{.role = wire::Role::worker,
                                            .name = name,
                                            .epoch = {0, n},
                                            .slots = 1,
                                            .functions = functions_of(100'000)});
        joined.push_back(name);
    }
    std::ranges::sort(joined);
    wire::Report report{.more = true};
    for (std::uint64_t number = 1; report.more; ++number) {
        REQUIRE(number < 10);
        fleet.skip<wire::Welcome>();
        fleet.say("c", wire::Query{.number = number,
                                   .topic = wire::Topic::workers,
                                   .selector = told.empty() ? "" : told.back()});
        report = fleet.expect<wire::Report>("c");
        CHECK(wire::decode(wire::encode(report)));
        for (const auto& worker : report.workers) told.push_back(worker.name);
        if (report.more) CHECK(report.workers.size() < 20);
    }
    CHECK(told == joined);
}

TEST_CASE("many users' workers of one name don't make a report that is too long to be read") {
    Fleet fleet;
    for (std::uint64_t n = 1; n < 10; ++n) {
        fleet.senders[{std::to_string(n)}] = {
            .user = std::to_string(n), .roles = every_role, .public_key = {}};
        fleet.say(std::to_string(n).c_str(),
                  wire::Hello{.role = wire::Role::worker,
                              .name = n == 9 ? "other" : "one",
                              .epoch = {0, n},
                              .slots = 1,
                              .functions = functions_of(broker::limits::names_bytes / 10 * 9)});
        fleet.expect<wire::Welcome>(std::to_string(n).c_str());
    }
    fleet.say("c", wire::Query{.number = 1, .topic = wire::Topic::workers});
    auto report = fleet.expect<wire::Report>("c");
    CHECK(wire::decode(wire::encode(report)));
    CHECK(report.more);
    fleet.say("c", wire::Query{.number = 2, .topic = wire::Topic::workers, .selector = "one"});
    CHECK(fleet.expect<wire::Report>("c").workers.front().name == "other");
}

TEST_CASE("reports name jobs by what is typed") {
    Fleet fleet;
    JobId first = fleet.open(1, 1);
    fleet.now += 1s;
    JobId second = fleet.open(2, 1);
    fleet.skip<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    auto ask = [&](const std::string& selector) {
        fleet.say("c", wire::Query{.number = 3, .topic = wire::Topic::jobs, .selector = selector});
        std::vector<JobId> found;
        for (const auto& job : fleet.expect<wire::Report>("c").jobs) found.push_back(job.job);
        return found;
    };
    CHECK(ask("") == std::vector<JobId>{first, second});
    CHECK(ask("last") == std::vector<JobId>{second});
    CHECK(ask(to_string(first).substr(0, 13)) == std::vector<JobId>{first});
    CHECK(ask("zzz").empty());
    fleet.say("c", wire::Query{.number = 4, .topic = wire::Topic::workers});
    auto workers = fleet.expect<wire::Report>("c").workers;
    REQUIRE(workers.size() == 1);
    CHECK(workers[0].running == 1);
}
