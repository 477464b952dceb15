// What failed fragments wrote: within --memory, in the order of its going to the gatherer, and on
// their user's account.
#include <doctest/doctest.h>

#include <set>

#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
constexpr std::uint64_t output_bytes = 3 * broker::limits::MiB;
constexpr Index failing = 30;

Slice output_of(Index index) {
    return Slice::take(std::string(output_bytes, static_cast<char>('a' + index)));
}

/// What is on loan to the worker fails, with outputs; says of how many.
std::size_t fail_all(Stage& stage, const char* worker = "w") {
    std::size_t failed = 0;
    for (const auto& dispatch : stage.expect_all<wire::Dispatch>(worker))
        for (Index index = dispatch.first; index < dispatch.first + dispatch.count; ++index) {
            wire::Failure failure{.index = index,
                                  .attempt = dispatch.attempt,
                                  .elapsed = 100ms,
                                  .output_bytes = output_bytes};
            stage.say(worker, wire::Done{.failures = {{dispatch.job, {std::move(failure)}}}},
                      output_of(index));
            ++failed;
        }
    return failed;
}

/// The gatherer takes one batch. Says of which fragments it has all, unaltered.
std::set<Index> take_batch(Stage& stage) {
    std::set<Index> taken;
    for (const auto& [errors, body] : stage.expect_all_with_bodies<wire::Errors>("g")) {
        Slice rest = body;
        for (const wire::Failure& failure : errors.failures) {
            CHECK(rest.sub(0, failure.output_bytes).view() == output_of(failure.index).view());
            rest = rest.sub(failure.output_bytes, rest.size() - failure.output_bytes);
            taken.insert(failure.index);
        }
    }
    return taken;
}
}  // namespace

TEST_CASE("without a store, outputs that wait for the gatherer hold dispatches back") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Errors, wire::Sealed>();
    stage.core = std::make_unique<Core>(Options{
        .epoch = {0, 1}, .blocks = {"inproc://blocks"}, .memory_bytes = 8 * broker::limits::MiB});
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    JobId job = stage.open(1, failing);
    const auto& errors = stage.core->jobs().at(job).books.settled().errors();
    std::size_t failed = 0;
    std::set<Index> arrived;
    for (int turn = 0; turn < 200 && arrived.size() < failing; ++turn) {
        for (std::size_t now = 1; now > 0; failed += now) {
            now = fail_all(stage);
            stage.pass(100ms);
        }
        CHECK(errors.bytes() <= 3 * output_bytes);  // a quarter of the memory, and what was on loan
        const std::set<Index> batch = take_batch(stage);
        CHECK(batch.size() == 1);  // a long one goes alone, and the next waits for it
        for (Index index : batch) {
            stage.say("g", wire::Gathered{.job = job, .ranges = {{index, index + 1}}});
            arrived.insert(index);
        }
    }
    CHECK(arrived.size() == failing);
    CHECK(failed == failing);
}

TEST_CASE("with a store, outputs past memory are there alone, and come back in their turn") {
    Durable stage(8 * broker::limits::MiB);
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    JobId job = stage.open(1, failing);
    bool restarted = false;
    SUBCASE("in one life") {}
    SUBCASE("with a death in between") { restarted = true; }
    auto held = [&] { return stage.job(job).payload->accounted_bytes; };
    while (fail_all(stage) > 0) {
        stage.pass(100ms);
        CHECK(held() <= 8 * broker::limits::MiB);
    }
    std::set<Index> arrived;
    for (int turn = 0; turn < 400 && arrived.size() < failing; ++turn) {
        if (restarted && turn == 5) {
            stage.restart();
            CHECK(held() <= broker::limits::MiB);
            stage.fleet();
            stage.live(6s);
        }
        stage.serve();
        CHECK(held() <= 8 * broker::limits::MiB);
        for (Index index : take_batch(stage)) {
            stage.say("g", wire::Gathered{.job = job, .ranges = {{index, index + 1}}});
            arrived.insert(index);
        }
        fail_all(stage);
        stage.say("g", wire::Heartbeat{});
        stage.say("c", wire::Heartbeat{});
        stage.say("w", wire::Heartbeat{});
        stage.pass(100ms);
    }
    CHECK(arrived.size() == failing);
}

TEST_CASE("with a store, outputs of fragments before the one on its way go to the store, too") {
    Durable stage(8 * broker::limits::MiB);
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w", failing);
    JobId job = stage.open(1, failing);
    stage.skip("w");
    for (Index index = failing; index-- > 0;) {
        wire::Failure failure{.index = index, .attempt = 1, .output_bytes = output_bytes};
        stage.say("w", wire::Done{.failures = {{job, {std::move(failure)}}}}, output_of(index));
        CHECK(stage.job(job).payload->accounted_bytes <= 8 * broker::limits::MiB);
    }
    CHECK(stage.job(job).books.settled().errors().all().size() == failing);
}

TEST_CASE("with a store, outputs that the disk has not taken hold dispatches back") {
    Durable stage(8 * broker::limits::MiB);
    stage.after_step = nullptr;
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    stage.open(1, failing);
    std::size_t failed = 0;
    auto fail_more = [&] {
        for (int turn = 0; turn < 5; ++turn) {
            failed += fail_all(stage);
            stage.pass(100ms);
        }
    };
    fail_more();
    CHECK(failed == 2);
    stage.step(Committed{});
    fail_more();
    CHECK(failed == 4);
}

TEST_CASE("an output that the store can't give back ends its job, and says why") {
    Durable stage(8 * broker::limits::MiB);
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    JobId job = stage.open(1, failing);
    while (fail_all(stage) > 0) stage.pass(100ms);
    for (auto& [key, record] : stage.disk)
        if (record.kind == static_cast<std::uint8_t>(rows::Kind::error))
            record.body = Slice::copy("another");
    for (Index index : take_batch(stage))
        stage.say("g", wire::Gathered{.job = job, .ranges = {{index, index + 1}}});
    for (int turn = 0; turn < 50 && stage.job(job).running(); ++turn) {
        stage.serve();
        for (Index index = 0; index < 3; ++index)
            stage.say("g", wire::Gathered{.job = job, .ranges = {{index, index + 1}}});
        stage.skip<wire::Errors>("g");
        stage.pass(100ms);
    }
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::failed);
    CHECK(stage.job(job).life->end.reason.find("damaged") != std::string::npos);
}

namespace {
/// What may be held of ada's is limited.
void limit_ada(Tenants<Stage>& stage, std::uint64_t bytes) {
    KeysChanged change = keys({ada, bob, root, hall, mill});
    change.limits["ada"] = {.held_bytes = bytes};
    stage.step(change);
}
const Holding& held_of(Tenants<Stage>& stage, JobId job) {
    return stage.core->jobs().at(job).tenant->held;
}
wire::Block described_job(Tenants<Stage>& stage, std::uint64_t n, std::uint64_t bytes) {
    wire::Block block = stage.first(n, "a");
    block.spec->environment = {"TEXT=" + std::string(bytes, 'x')};
    block.count = 0;
    block.stride = 0;
    block.total = 0;
    return block;
}
}  // namespace

TEST_CASE("outputs that the gatherer has not confirmed count for their user") {
    Tenants<Stage> stage;
    JobId job = stage.opened(1, "a", ada);
    const std::uint64_t before = held_of(stage, job).all;
    fail_all(stage);
    CHECK(held_of(stage, job).all > before + output_bytes - 10);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    CHECK(held_of(stage, job).all <= before);
}

TEST_CASE("what describes a user's jobs is bounded, however many have ended") {
    Tenants<Stage> stage;
    limit_ada(stage, broker::limits::MiB);
    bool attached = true;
    SUBCASE("attached ones") {}
    SUBCASE("others") { attached = false; }
    for (std::uint64_t n = 1; n <= 255; ++n) {
        wire::Block block = described_job(stage, n, 900'000);
        block.spec->attached = attached;
        stage.block(block, {}, ada);
        REQUIRE(stage.core->jobs().contains(block.job));
        CHECK(held_of(stage, block.job).all <= broker::limits::MiB);
        stage.ended(block.job);
        CHECK(held_of(stage, block.job).all <= 100'000);
    }
}

TEST_CASE("of a title that was never asked for by a key, an ended job keeps the beginning") {
    Tenants<Stage> stage;
    std::string key;
    SUBCASE("without a key") {}
    SUBCASE("with a key") { key = "k"; }
    wire::Block block = described_job(stage, 1, 10);
    block.spec->title = std::string(900'000, 't');
    block.spec->key = key;
    stage.block(block, {}, ada);
    CHECK(stage.core->jobs().at(block.job).spec->title.size() == 900'000);
    stage.ended(block.job);
    CHECK(stage.core->jobs().at(block.job).spec->title.size() ==
          (key.empty() ? broker::limits::shown_bytes : 900'000));
}

TEST_CASE("a job whose texts have no room beside those of others is refused") {
    Tenants<Stage> stage;
    limit_ada(stage, broker::limits::MiB);
    stage.block(described_job(stage, 1, 900'000), {}, ada);
    CHECK(stage.core->jobs().contains(job_number(1)));
    stage.skip("a");
    stage.block(described_job(stage, 2, 900'000), {}, ada);
    CHECK_FALSE(stage.core->jobs().contains(job_number(2)));
    auto refused = stage.template expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::overloaded);
    CHECK(refused.text.find("(bytes= in its allowed keys)") != std::string::npos);
}

TEST_CASE("results that gatherers keep for a user hold its other jobs back until it forgets some") {
    Tenants<Stage> stage;
    limit_ada(stage, 10'000);
    JobId first = stage.opened(1, "a", ada);
    stage.skip("w");
    stage.say("g", wire::Gathered{.job = first, .ranges = {{0, 1}}, .held_bytes = 20'000});
    stage.ended(first);
    CHECK(held_of(stage, first).results == 20'000);
    wire::Block block = stage.first(2, "a");
    block.total = 1;
    stage.block(block, Slice::copy("\x07"), ada);
    CHECK(stage.template expect_all<wire::Dispatch>("w").empty());
    stage.ask<wire::Forgotten>("a", wire::Forget{first});
    stage.block(block, Slice::copy("\x07"), ada);  // sent again
    stage.pass(200ms);
    CHECK(stage.template expect_all<wire::Dispatch>("w").size() == 1);
}
