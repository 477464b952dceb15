// Jobs that handlers open: who may run them while all slots are taken, and when they end.
#include <doctest/doctest.h>

#include "tests/support/broker_site_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;
using namespace std::chrono_literals;

namespace {

/// Jobs of one fragment after the other, each opened by the handler of the one before.
struct Nest : Site {
    Nest() { ignore<wire::Drop, wire::Notice, wire::Release>(); }
    JobId inner(std::uint64_t n, std::uint32_t count, std::vector<wire::OuterAttempt> outer) {
        wire::JobSpec spec = Stage::spec();
        spec.attached = true;
        spec.outer = std::move(outer);
        return open(n, count, spec);
    }
    /// The only chunk that the worker was sent since; it has one fragment.
    wire::OuterAttempt lent(const char* name) {
        auto chunks = dispatched(name);
        REQUIRE(chunks.size() == 1);
        CHECK(chunks[0].count == 1);
        return {.job = chunks[0].job, .index = chunks[0].first, .attempt = chunks[0].attempt};
    }
    wire::Outcome outcome(JobId id) const { return job(id).life->end.outcome; }
};

}  // namespace

TEST_CASE("the worker of the attempt takes its inner job's fragments, one chunk at a time") {
    Nest nest;
    nest.join("w");
    nest.open(1, 2);
    const auto outer = nest.lent("w");
    const JobId ordinary = nest.open(2, 1);
    CHECK(nest.dispatched("w").empty());  // the only slot is taken

    const JobId inner = nest.inner(3, 3, {outer});
    const auto first = nest.lent("w");
    CHECK(first.job == inner);
    nest.pass(1s);
    CHECK(nest.dispatched("w").empty());
    nest.done("w", inner, {0, 1});
    CHECK(nest.lent("w").index == 1);

    SUBCASE("and those of jobs within it") {
        const JobId deeper = nest.inner(4, 1, {outer, first});  // of an attempt that is over
        CHECK(nest.outcome(deeper) == wire::Outcome::cancelled);
        const wire::OuterAttempt second{.job = inner, .index = 1, .attempt = 1};
        const JobId deep = nest.inner(5, 1, {outer, second});
        CHECK(nest.lent("w").job == deep);
    }
    SUBCASE("and the slot stays for others") {
        nest.done("w", outer.job, {0, 1});
        CHECK(nest.outcome(inner) == wire::Outcome::cancelled);
        auto next = nest.dispatched("w");
        REQUIRE(!next.empty());
        CHECK((next[0].job == ordinary || next[0].job == outer.job));
    }
}

TEST_CASE("a free slot goes first, wherever it is") {
    Nest nest;
    nest.join("w");
    nest.open(1, 1);
    const auto outer = nest.lent("w");
    nest.join("other");
    const JobId inner = nest.inner(2, 2, {outer});
    CHECK(nest.lent("other").job == inner);
    CHECK(nest.lent("w").job == inner);
}

TEST_CASE("short fragments of an inner job never wait behind a handler that waits") {
    Nest nest;
    nest.join("w");
    nest.teach("w", 1ms);
    nest.open(1, 1);
    const auto outer = nest.lent("w");
    const JobId inner = nest.inner(2, 50, {outer});
    CHECK(nest.dispatched("w").size() == 1);
    nest.done("w", outer.job, {0, 1});
    CHECK(nest.outcome(inner) == wire::Outcome::cancelled);
}

TEST_CASE("the worker of an outer attempt further up helps where that of the nearest can't") {
    Nest nest;
    nest.join("f");
    nest.open(1, 1);
    const auto outer = nest.lent("f");
    wire::Hello hello{.role = wire::Role::worker, .name = "g", .epoch = {0, 1}, .slots = 1};
    hello.functions = {"g"};
    nest.say("g's worker", hello);
    nest.expect<wire::Welcome>("g's worker");
    wire::JobSpec spec = Stage::spec();
    spec.function = "g";
    spec.outer = {outer};
    nest.open(2, 1, spec);
    const auto between = nest.lent("g's worker");
    const JobId inner = nest.inner(3, 1, {outer, between});
    CHECK(nest.lent("f").job == inner);
}

TEST_CASE("an inner job ends with its attempt, and those within it with theirs") {
    Nest nest;
    nest.join("w");
    wire::JobSpec spec = Stage::spec();
    spec.retries = 1;
    nest.open(1, 1, spec);
    const auto outer = nest.lent("w");
    const JobId inner = nest.inner(2, 1, {outer});
    const auto within = nest.lent("w");
    const JobId deep = nest.inner(3, 1, {outer, within});
    CHECK(nest.lent("w").job == deep);

    SUBCASE("that has a value") { nest.done("w", outer.job, {0, 1}); }
    SUBCASE("that ran past its timeout, and runs again") {
        nest.failed("w", outer.job, 0, 1, wire::FailureKind::timeout);
        CHECK(nest.lent("w").attempt == 2);
    }
    SUBCASE("whose job is cancelled") {
        nest.say("c", wire::Cancel{.job = outer.job, .reason = "enough"});
    }
    SUBCASE("whose fragment is cancelled") {
        nest.say("c", wire::CancelFragments{.job = outer.job, .reason = "no", .ranges = {{0, 1}}});
        nest.skip<wire::FragmentsCancelled>("c");
    }
    SUBCASE("whose worker dies") { nest.step(Unroutable{.peer = {"w"}}); }
    CHECK(nest.outcome(inner) == wire::Outcome::cancelled);
    CHECK(nest.outcome(deep) == wire::Outcome::cancelled);
    CHECK(nest.job(inner).life->end.reason == "the attempt that it was part of has ended");
}

TEST_CASE("a job that is not attached outlives the attempt, one of an unknown fleet is as any") {
    Nest nest;
    nest.join("w");
    nest.open(1, 1);
    const auto outer = nest.lent("w");
    wire::JobSpec spec = Stage::spec();
    spec.outer = {outer};
    const JobId detached = nest.open(2, 2, spec);
    CHECK(nest.lent("w").job == detached);
    const JobId stranger = nest.inner(3, 1, {{.job = job_number(77), .index = 0, .attempt = 1}});
    CHECK(nest.dispatched("w").empty());
    nest.done("w", outer.job, {0, 1});
    CHECK(nest.outcome(detached) == wire::Outcome::running);
    nest.pass(900ms);  // less than its lease
    CHECK(nest.outcome(stranger) == wire::Outcome::running);
}

TEST_CASE("a worker that leaves still gets what its handlers wait for") {
    Nest nest;
    nest.join("w");
    nest.open(1, 1);
    const auto outer = nest.lent("w");
    nest.say("w", wire::Heartbeat{.handled = 1, .held = {{outer.job, {{0, 1}}}}, .leaving = true});
    const JobId inner = nest.inner(2, 1, {outer});
    CHECK(nest.lent("w").job == inner);
}
