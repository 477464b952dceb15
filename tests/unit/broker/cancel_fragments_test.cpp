// Fragments of a job that are not wanted any more, while the job goes on.
#include <doctest/doctest.h>

#include "tests/support/broker_site_harness.hpp"
#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
std::uint64_t cancel_some(Stage& stage, JobId job, std::vector<Range> ranges) {
    stage.say("c",
              wire::CancelFragments{.job = job, .reason = "no use", .ranges = std::move(ranges)});
    return stage.expect<wire::FragmentsCancelled>("c").fragments;
}
}  // namespace

TEST_CASE("what waits is cancelled at once, what runs is stopped, and what has a value keeps it") {
    Site site;
    site.join("w", {.slots = 2});
    JobId job = site.open(1, 6);
    CHECK(site.dispatched("w").size() == 2);
    site.done("w", job, {0, 1}, 1s);
    CHECK(site.dispatched("w").size() == 1);  // 1 and 2 run, 0 is kept
    CHECK(cancel_some(site, job, {{0, 2}, {4, 100}}) == 3);
    auto errors = site.expect<wire::Errors>("g");
    REQUIRE(errors.failures.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const wire::Failure& failure = errors.failures[i];
        CHECK(failure.index == std::vector<Index>{1, 4, 5}[i]);
        CHECK(failure.kind == wire::FailureKind::cancelled);
        CHECK(failure.message == "no use");
    }
    site.pass(10ms);
    auto releases = site.expect_all<wire::Release>("w");
    REQUIRE(releases.size() == 1);
    REQUIRE(releases[0].items.size() == 1);
    CHECK(releases[0].items[0].ranges == std::vector<Range>{{1, 2}});
    CHECK(site.dispatched("w").size() == 1);  // 3, in the slot that is free now
    CHECK(site.job(job).books.loans().first().size() == 2);
    CHECK(site.job(job).books.kept().size() == 1);

    CHECK(cancel_some(site, job, {{0, 2}, {4, 100}}) == 3);  // said again, it does nothing more
    site.done("w", job, {1, 2}, 1s);                         // too late
    CHECK(site.job(job).books.settled().failed().size() == 3);
    site.done("w", job, {2, 4}, 1s);
    site.say("g", wire::Gathered{.job = job, .ranges = {{0, 6}}});
    CHECK(site.job(job).books.settled().safe().size() == 3);
    site.pass(3s);
    CHECK(site.expect_all<wire::Errors>("g").empty());  // they are confirmed
    SUBCASE("and retried they run") {
        site.say("g",
                 wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::partial});
        site.skip<wire::Drop, wire::Release>("w");
        site.say("c", wire::Retry{job});
        site.ignore<wire::Retried, wire::Located>();
        CHECK(site.dispatched("w").size() == 2);
        CHECK(site.job(job).books.queue().size() == 1);
    }
}

TEST_CASE("both attempts of a fragment are stopped") {
    Site site;
    site.join("a");
    site.teach("a", 10ms);
    auto spec = Stage::spec();
    spec.hedging = wire::Hedging::automatic;
    JobId job = site.open(1, 1, spec);
    CHECK(site.dispatched("a").size() == 1);
    site.join("b");
    site.pass(200ms);
    CHECK(site.dispatched("b").size() == 1);
    CHECK(cancel_some(site, job, {{0, 1}}) == 1);
    site.pass(10ms);
    CHECK(site.expect_all<wire::Release>("a").size() == 1);
    CHECK(site.expect_all<wire::Release>("b").size() == 1);
    CHECK(site.job(job).books.loans().first().size() == 0);
}

TEST_CASE("what waits for results of a dead worker is cancelled too") {
    Site site;
    site.ignore<wire::Notice>();
    site.join("w");
    JobId job = site.open(1, 1);
    CHECK(site.dispatched("w").size() == 1);
    site.done("w", job, {0, 1}, 1s);
    site.step(Unroutable{{"w"}});
    CHECK(site.job(job).books.kept().limbo().size() == 1);
    CHECK(cancel_some(site, job, {{0, 1}}) == 1);
    site.join("v");
    site.pass(1s);
    CHECK(site.dispatched("v").empty());
}

TEST_CASE("fragments that can't be cancelled: the answer says why") {
    Site site;
    auto refused = [&](JobId job, std::vector<Range> ranges) {
        site.say("c", wire::CancelFragments{.job = job, .ranges = std::move(ranges)});
        return site.expect<wire::Refused>("c").code;
    };
    CHECK(refused(job_number(9), {{0, 1}}) == wire::RefusalCode::unknown_job);
    site.ignore<wire::Notice>();
    JobId job = site.open(1, 2);
    CHECK(refused(job, {{0, 65'537}}) == wire::RefusalCode::too_large);
    CHECK(site.job(job).books.queue().size() == 2);
    CHECK(cancel_some(site, job, {{2, 9}}) == 0);  // there are none
    CHECK(cancel_some(site, job, {}) == 0);
    site.say("c", wire::Cancel{.job = job});
    site.skip("c");
    CHECK(cancel_some(site, job, {{0, 1}}) == 0);  // it has ended, and not by them
}

TEST_CASE("another user's fragments are none") {
    Tenants<Stage> stage;
    JobId job = stage.opened(1, "a", ada);
    wire::CancelFragments cancel{.job = job, .ranges = {{0, 1}}};
    CHECK(stage.ask<wire::Refused>("b", cancel).code == wire::RefusalCode::unknown_job);
    CHECK(stage.core->jobs().at(job).books.loans().first().size() == 1);
    CHECK(stage.ask<wire::FragmentsCancelled>("r", cancel).fragments == 1);  // an administrator
}

TEST_CASE("cancelled fragments are so after a restart, also without their gatherer") {
    Durable stage;
    stage.fleet();
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Errors, wire::Located,
                 wire::Notice, wire::Sealed, wire::Release, wire::Welcome>();
    JobId job = stage.open(1, 3);
    SUBCASE("with it") {}
    SUBCASE("without it") { stage.step(Unroutable{{"g"}}); }
    CHECK(cancel_some(stage, job, {{1, 3}}) == 2);
    stage.skip("g");
    stage.restart();
    CHECK(stage.job(job).books.settled().failed().ranges() == std::vector<Range>{{1, 3}});
    stage.gatherer("g");
    auto failures = stage.expect<wire::Errors>("g").failures;
    REQUIRE(failures.size() == 2);
    CHECK(failures[0].kind == wire::FailureKind::cancelled);
}

TEST_CASE("fragments are cancelled no faster than the gatherer takes their errors") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Errors, wire::Notice, wire::Sealed>();
    stage.core = std::make_unique<Core>(Options{
        .epoch = {0, 1}, .blocks = {"inproc://blocks"}, .memory_bytes = 8 * broker::limits::MiB});
    stage.client("c");
    stage.gatherer("g");
    const JobId job = job_number(1);
    constexpr std::uint32_t half = 10'000;
    stage.block({.job = job,
                 .token = 1,
                 .count = 2 * half,
                 .stride = 2 * half,
                 .spec = Stage::spec(),
                 .total = 2 * half},
                Slice::take(std::string(2 * half, '\x07')));
    auto ask = [&](Range range) {
        stage.say("c", wire::CancelFragments{
                           .job = job, .reason = std::string(4000, 'r'), .ranges = {range}});
        return stage.expect_all<wire::FragmentsCancelled>("c").size();
    };
    CHECK(ask({0, half}) == 1);
    const auto& errors = stage.core->jobs().at(job).books.settled().errors();
    CHECK(errors.all().at(0).failure.message.size() == broker::limits::name_bytes);
    CHECK(ask({half, 2 * half}) == 0);
    CHECK(errors.all().size() == half);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, half}}});
    CHECK(ask({half, 2 * half}) == 1);
}
