// What a broker asks back from workers, and those that want nothing more.
#include <doctest/doctest.h>

#include "tests/support/broker_site_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

// --- recall

TEST_CASE("work that waits behind a long fragment is recalled for an idle slot, and runs there") {
    Site site;
    site.join("a");
    site.teach("a", 100us, 2000);
    JobId job = site.open(1, 60);
    auto chunks = site.dispatched("a");
    REQUIRE(!chunks.empty());
    site.join("b");
    for (auto late = site.dispatched("b"); !late.empty(); late = site.dispatched("b"))
        for (const auto& chunk : late)
            site.done("b", job, {chunk.first, chunk.first + chunk.count}, chunk.count * 100us);
    auto before = site.job(job).books.loans().first().size();
    REQUIRE(before > 1);
    site.pass(300ms);  // nothing comes from a
    auto recalls = site.expect_all<wire::Recall>("a");
    REQUIRE(recalls.size() == 1);
    CHECK(recalls[0].number == 1);
    REQUIRE(recalls[0].items.size() == 1);
    auto ranges = recalls[0].items[0].ranges;
    CHECK(site.dispatched("b").empty());  // until it is given back
    site.recalled("a", 1, job, ranges);
    auto moved = site.dispatched("b");
    REQUIRE(!moved.empty());
    CHECK(moved[0].attempt == 1);  // it was never started
    CHECK(moved[0].first == ranges[0].begin);
}

TEST_CASE(
    "a recall that finds nothing to give back changes nothing, and may be followed by another") {
    Site site;
    site.join("a");
    site.teach("a", 100us, 2000);
    JobId job = site.open(1, 40);
    site.dispatched("a");
    site.join("b");
    site.pass(200ms);
    while (!site.dispatched("b").empty()) site.done("b", job, {0, 0});
    auto recalls = site.expect_all<wire::Recall>("a");
    if (recalls.empty()) site.pass(200ms), recalls = site.expect_all<wire::Recall>("a");
    REQUIRE(recalls.size() == 1);
    auto lent = site.job(job).books.loans().first().size();
    site.pass(1s);
    CHECK(site.expect_all<wire::Recall>("a").empty());  // its answer is awaited
    site.recalled("a", 1, job, {});
    CHECK(site.job(job).books.loans().first().size() == lent);
    site.pass(200ms);
    CHECK(site.expect_all<wire::Recall>("a").size() == 1);
}

TEST_CASE("a worker that gives nothing back is asked more and more seldom, until it has new work") {
    Site site;
    site.join("a");
    site.teach("a", 100us, 2000);
    JobId job = site.open(1, 40);
    site.dispatched("a");
    site.join("b");
    while (!site.dispatched("b").empty()) site.done("b", job, {0, 0});
    std::uint64_t asked = 0;
    auto pass = [&](Duration time) {
        const std::uint64_t before = asked;
        for (; time > Duration(0); time -= 1ms) {
            site.now += 1ms;
            site.step(Tick{});
            for (const auto& recall : site.expect_all<wire::Recall>("a"))
                site.recalled("a", asked = recall.number, job, {});
        }
        return asked - before;
    };
    CHECK(pass(1s) >= 4);
    CHECK(asked <= 10);
    const std::uint64_t later = pass(3s);
    CHECK(later >= 1);
    CHECK(later <= 3);
    CHECK(site.job(job).books.loans().first().size() > 0);
    // New work may have a tail that it can give.
    site.step(Unroutable{{"b"}});
    for (const auto& loan : site.job(job).books.loans().first().all())
        site.done("a", job, loan.range, loan.range.size() * 100us);
    for (auto chunks = site.dispatched("a"); !chunks.empty(); chunks = site.dispatched("a"))
        for (const auto& chunk : chunks)
            site.done("a", job, {chunk.first, chunk.first + chunk.count}, chunk.count * 100us);
    site.open(2, 40);
    CHECK_FALSE(site.dispatched("a").empty());
    site.join("b");
    CHECK(pass(300ms) >= 1);
}

// --- leaving

TEST_CASE("a worker that is leaving gets nothing more, and ends what it runs") {
    Site site;
    site.ignore<wire::Notice>();
    site.join("w", {.slots = 2});
    JobId job = site.open(1, 4);
    auto first = site.dispatched("w");
    REQUIRE(first.size() == 2);
    site.say("w", wire::Heartbeat{
                      .handled = first[1].sequence, .held = {{job, {{0, 2}}}}, .leaving = true});
    site.done("w", job, {0, 1}, 1s);
    site.pass(1s);
    CHECK(site.dispatched("w").empty());
    CHECK(site.job(job).books.kept().size() == 1);  // what it ends counts
    CHECK(site.job(job).books.loans().first().size() == 1);
    site.say("c", wire::Query{.number = 1, .topic = wire::Topic::workers});
    CHECK(site.expect<wire::Report>("c").workers.at(0).leaving);
    SUBCASE("another gets the rest") {
        site.join("v");
        CHECK(site.dispatched("v").size() == 1);
    }
    SUBCASE("over another connection it still leaves") {
        site.say("w2", wire::Hello{.role = wire::Role::worker,
                                   .name = "w",
                                   .epoch = {0, 1},
                                   .slots = 2,
                                   .functions = {"f"}});
        site.expect<wire::Welcome>("w2");
        site.pass(1s);
        CHECK(site.dispatched("w2").empty());
    }
    SUBCASE("it may think better of it") {
        site.say("w", wire::Heartbeat{.handled = first[1].sequence,
                                      .held = {{job, {{1, 2}}}},
                                      .kept = {{job, {{0, 1}}}}});
        CHECK(site.dispatched("w").size() == 1);
    }
}
