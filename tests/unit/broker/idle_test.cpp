// What a broker does about idle slots, slow workers, labels and resources.
#include <doctest/doctest.h>

#include "broker/dispatch/scheduler.hpp"
#include "tests/support/broker_site_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
wire::JobSpec hedged(wire::Hedging how, wire::Milliseconds after = wire::Milliseconds(0)) {
    auto spec = Stage::spec();
    spec.hedging = how;
    spec.hedge_after = after;
    return spec;
}
}  // namespace

// --- estimates

TEST_CASE("times: a moving estimate, and a percentile once there are enough") {
    RunTimeEstimate times;
    CHECK(times.each() == 0);
    CHECK_FALSE(times.p95());
    for (int i = 0; i < 99; ++i) times.learn(10, 10ms);
    CHECK(times.each() == doctest::Approx(1e6));
    times.learn(10, 10s);
    REQUIRE(times.p95());
    CHECK(*times.p95() >= 1ms);
    CHECK(*times.p95() < 1200us);
    for (int i = 0; i < 20; ++i) times.learn(10, 10s);
    CHECK(*times.p95() >= 1s);
}

TEST_CASE("a chunk for a slow worker takes as long as for another") {
    ChunkInputs inputs{.queued = 1'000'000,
                       .longest = 8192,
                       .slots = 2,
                       .nanoseconds_each = 10'000,
                       .bytes_each = 1};
    CHECK(chunk_size(inputs) == 500);
    inputs.pace = 10;
    CHECK(chunk_size(inputs) == 50);
}

TEST_CASE("what may wait at a worker: short work, and what is short beside the way to it") {
    CHECK_FALSE(may_queue(0, {}));  // nothing is known
    CHECK(may_queue(40e6, {}));
    CHECK_FALSE(may_queue(60e6, {}));
    CHECK(may_queue(1e9, 300ms));
    CHECK_FALSE(may_queue(10e9, 300ms));
}

TEST_CASE("a far worker has its next fragment before it asks for it, a near one has not") {
    for (const Duration way : {Duration(300ms), Duration(1ms)}) {
        CAPTURE(way.count());
        Site site;
        site.join("w");
        const JobId job = site.open(1, 10);
        std::vector<Index> has;
        for (Index index = 0; index < 4; ++index) {
            for (const auto& chunk : site.dispatched("w")) has.push_back(chunk.first);
            if (index == 3) break;
            site.now += way;
            site.pass(1s);
            for (const char* peer : {"g", "c"}) site.say(peer, wire::Heartbeat{});
            site.done("w", job, {index, index + 1}, 1s);
            site.pass(200ms);
        }
        std::string all;
        for (Index i : has) all += std::to_string(i) + " ";
        CHECK(all == (way > Duration(100ms) ? "0 1 2 3 4 " : "0 1 2 3 "));
    }
}

TEST_CASE("a worker that is slower than others is known by it") {
    Site site;
    site.join("quick");
    site.teach("quick", 100us, 2000);
    site.join("slow");
    JobId job = site.open(1, 20'000);
    std::uint32_t largest = 0, last_slow = 0;
    for (int round = 0; round < 60; ++round) {
        for (const char* name : {"quick", "slow"}) {
            bool slow = name[0] == 's';
            for (const auto& chunk : site.dispatched(name)) {
                (slow ? last_slow : largest) = slow ? chunk.count : std::max(largest, chunk.count);
                site.done(name, job, {chunk.first, chunk.first + chunk.count},
                          chunk.count * (slow ? 1ms : 100us));
            }
        }
    }
    CHECK(largest >= 40);
    CHECK(last_slow > 0);
    CHECK(last_slow <= 20);
}

// --- labels and resources

TEST_CASE("a job goes to workers that have its labels, and says when there are none") {
    Site site;
    site.join("plain");
    auto spec = Stage::spec();
    spec.require = {"gpu"};
    JobId job = site.open(1, 1, spec);
    CHECK(site.dispatched("plain").empty());
    auto notices = site.expect_all<wire::Notice>("c");
    REQUIRE(notices.size() == 1);
    CHECK(notices[0].text.find("gpu") != std::string::npos);
    site.join("able", {.labels = {"gpu", "big"}});
    CHECK(site.dispatched("plain").empty());
    CHECK(site.dispatched("able").size() == 1);
    CHECK(site.job(job).client->notice.empty());
}

TEST_CASE("what runs at a time on a worker fits its resources") {
    Site site;
    site.join("w", {.slots = 4, .resources = {{"mem", 5}}});
    auto spec = Stage::spec();
    spec.resources = {{"mem", 2}};
    JobId job = site.open(1, 6, spec);
    auto first = site.dispatched("w");
    CHECK(first.size() == 2);
    site.done("w", job, {first[0].first, first[0].first + 1}, 1s);
    CHECK(site.dispatched("w").size() == 1);
    JobId other = site.open(2, 3);  // takes none, so the other two slots are its own
    CHECK(site.dispatched("w").size() == 2);
    CHECK(site.job(other).books.loans().first().size() == 2);
    spec.resources = {{"mem", 6}};
    site.open(3, 1, spec);
    CHECK(site.expect_all<wire::Notice>("c").size() == 1);
}

// --- second attempts

TEST_CASE("a fragment past its time is started a second time, and the first result counts") {
    Site site;
    site.join("a");
    site.teach("a", 10ms);
    JobId job = site.open(1, 1, hedged(wire::Hedging::automatic));
    auto first = site.dispatched("a");
    REQUIRE(first.size() == 1);
    site.join("b");
    site.pass(8ms);
    CHECK(site.dispatched("b").empty());
    site.pass(200ms);
    auto second = site.dispatched("b");
    REQUIRE(second.size() == 1);
    CHECK(second[0].first == first[0].first);
    CHECK(second[0].attempt == 2);
    CHECK(site.job(job).books.loans().hedged() == 1);
    CHECK(site.job(job).books.loans().first().size() == 1);
    SUBCASE("the second wins") {
        site.done("b", job, {0, 1});
        site.pass(10ms);
        auto releases = site.expect_all<wire::Release>("a");
        REQUIRE(releases.size() == 1);
        CHECK(releases[0].items[0].ranges == std::vector<Range>{{0, 1}});
    }
    SUBCASE("the first wins") {
        site.done("a", job, {0, 1});
        site.pass(10ms);
        CHECK(site.expect_all<wire::Release>("b").size() == 1);
        site.done("b", job, {0, 1});  // too late
        CHECK(site.job(job).books.kept().size() == 1);
    }
    SUBCASE("the gatherer says it") {
        site.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
        site.pass(10ms);
        CHECK(site.expect_all<wire::Release>("a").size() == 1);
        CHECK(site.expect_all<wire::Release>("b").size() == 1);
    }
    SUBCASE("one of them fails, and only the other's failure is final") {
        site.failed("a", job, 0, 1);
        CHECK(site.job(job).books.settled().failed().size() == 0);
        CHECK(site.job(job).books.loans().first().size() == 1);
        site.failed("b", job, 0, 2);
        CHECK(site.job(job).books.settled().failed().size() == 1);
    }
    SUBCASE("the worker of the first dies, and the second goes on") {
        site.step(Unroutable{{"a"}});
        CHECK(site.job(job).books.loans().first().size() == 1);
        CHECK(site.dispatched("b").empty());
        site.done("b", job, {0, 1});
        CHECK(site.job(job).books.kept().size() == 1);
    }
    SUBCASE("the worker of the second dies") {
        site.step(Unroutable{{"b"}});
        CHECK(site.job(job).books.loans().first().size() == 1);
        site.done("a", job, {0, 1});
        CHECK(site.job(job).books.kept().size() == 1);
    }
    SUBCASE("the second was lost on the way") {
        site.say("b", wire::Heartbeat{.handled = second[0].sequence});
        site.done("a", job, {0, 1});
        site.pass(10ms);
        CHECK(site.expect_all<wire::Release>("b").empty());
    }
    SUBCASE("both are held, as the inventories say") {
        site.say("a", wire::Heartbeat{.handled = first[0].sequence, .held = {{job, {{0, 1}}}}});
        site.say("b", wire::Heartbeat{.handled = second[0].sequence, .held = {{job, {{0, 1}}}}});
        CHECK(site.expect_all<wire::Release>("a").empty());
        CHECK(site.expect_all<wire::Release>("b").empty());
    }
    SUBCASE("the job is cancelled") {
        site.say("c", wire::Cancel{.job = job});
        CHECK(site.expect_all<wire::Drop>("a").size() == 1);
        CHECK(site.expect_all<wire::Drop>("b").size() == 1);
    }
}

TEST_CASE("after a second attempt the slots that it leaves idle are looked at again soon") {
    Site site;
    site.join("a");
    site.teach("a", 10ms);
    JobId job = site.open(1, 1, hedged(wire::Hedging::automatic));
    CHECK(site.dispatched("a").size() == 1);
    site.join("b");
    for (int i = 0; i < 40 && site.job(job).books.loans().hedged() == 0; ++i) site.pass(5ms);
    CHECK(site.dispatched("b").size() == 1);
    CHECK(site.core->next_wakeup() <= site.now + 2ms);
}

TEST_CASE("second attempts are made only where that is allowed, and within a budget") {
    Site site;
    SUBCASE("not by itself") {
        site.join("a");
        site.teach("a", 10ms);
        site.open(1, 1);
    }
    SUBCASE("not against the user's word") {
        site.join("a", {.idempotent = {"f"}});
        site.teach("a", 10ms);
        site.open(1, 1, hedged(wire::Hedging::never));
    }
    SUBCASE("not before it is known how long fragments take") {
        site.join("a");
        site.open(1, 1, hedged(wire::Hedging::automatic));
    }
    SUBCASE("not past the budget") {
        site.join("a");
        site.teach("a", 10ms, 15);
        site.open(1, 1, hedged(wire::Hedging::after, 20ms));
    }
    site.join("b", {.idempotent = {"f"}});
    site.pass(1s);
    CHECK(site.dispatched("b").empty());
}

TEST_CASE(
    "a function that its workers call idempotent is hedged unasked; a time of the user's choice is "
    "kept") {
    Site site;
    site.join("a", {.idempotent = {"f"}});
    site.teach("a", 10ms);
    SUBCASE("idempotent") {
        site.open(1, 1);
        site.join("b", {.idempotent = {"f"}});
        site.pass(200ms);
        CHECK(site.dispatched("b").size() == 1);
    }
    SUBCASE("the other worker does not say so") {
        site.open(1, 1);
        site.join("b");
        site.pass(200ms);
        CHECK(site.dispatched("b").empty());
    }
    SUBCASE("the other worker can't reach the job's gatherer") {
        site.open(1, 1);
        site.ignore<wire::Notice>();
        site.join("b", {.idempotent = {"f"}});
        site.say("b", wire::Heartbeat{
                          .unreached = {{.gatherer = "G", .endpoint = "tcp://h:1", .since = 3s}}});
        site.pass(200ms);
        CHECK(site.dispatched("b").empty());
    }
    SUBCASE("after a time") {
        site.open(1, 1, hedged(wire::Hedging::after, 2s));
        site.join("b");
        site.pass(1900ms);
        CHECK(site.dispatched("b").empty());
        site.pass(200ms);
        CHECK(site.dispatched("b").size() == 1);
    }
}

TEST_CASE(
    "a long job that waits for a free slot is not kept from it by short work that fills the "
    "queues") {
    Site site;
    site.join("w");
    site.teach("w", 10us, 5000);
    JobId huge = site.open(1, 60'000);
    auto spec = Stage::spec();
    spec.function = "f";
    JobId crowd = site.open(2, 60'000);
    std::map<JobId, std::uint64_t> ran;
    for (int round = 0; round < 40; ++round) {
        for (const auto& chunk : site.dispatched("w")) {
            ran[chunk.job] += chunk.count;
            Duration each = chunk.job == huge ? 50ms : 10us;
            site.done("w", chunk.job, {chunk.first, chunk.first + chunk.count}, chunk.count * each);
        }
    }
    CHECK(ran[huge] > 0);
    CHECK(ran[crowd] > 0);
}
