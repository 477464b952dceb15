#include <doctest/doctest.h>

#include <random>

#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
constexpr std::uint64_t mebibyte = 1 << 20;

/// A block of one fragment of so many bytes.
wire::Block big_block(JobId job, Index first) {
    return {.job = job, .token = 1, .first = first, .count = 1, .stride = 16};
}
Slice big_payload(std::uint64_t bytes, Index index) {
    std::string payload("\xc6", 1);
    for (int shift : {24, 16, 8, 0}) payload += static_cast<char>(bytes >> shift);
    payload.append(bytes, static_cast<char>(index));
    return Slice::take(std::move(payload));
}

/// Submits `count` fragments of a MiB each.
JobId submit(Stage& stage, std::uint64_t n, Index count) {
    JobId job = job_number(n);
    for (Index index = 0; index < count; ++index) {
        auto block = big_block(job, index);
        if (index == 0) block.spec = Stage::spec();
        if (index + 1 == count) block.total = count;
        stage.block(std::move(block), big_payload(mebibyte, index));
    }
    return job;
}
}  // namespace

TEST_CASE(
    "a submitted job far larger than memory is accepted, and every payload comes back from the "
    "store in its turn") {
    Durable stage(16 * mebibyte);
    stage.client("c");
    stage.gatherer("g");
    JobId job = submit(stage, 1, 100);
    CHECK(stage.job(job).total() == 100);
    CHECK(stage.job(job).payload->blocks.held_bytes() <= 16 * mebibyte);
    bool restarted = false;
    SUBCASE("in one life") {}
    SUBCASE("with a death in between") { restarted = true; }
    stage.worker("w");
    Index next = 0;
    while (next < 100) {
        if (restarted && next == 50) {
            stage.restart();
            CHECK(stage.job(job).payload->blocks.held_bytes() <= 16 * mebibyte);
            stage.fleet();
            stage.live(6s);
        }
        stage.serve();
        Slice body;
        auto dispatch = stage.expect<wire::Dispatch>("w", &body);
        REQUIRE(dispatch.first == next);
        CHECK(body.size() == mebibyte + 5);
        CHECK(body.view().back() == static_cast<char>(next));
        CHECK(stage.job(job).payload->blocks.held_bytes() <= 16 * mebibyte);
        stage.done("w", job, {next, next + 1}, 1s);
        stage.say("g", wire::Gathered{.job = job, .ranges = {{next, next + 1}}});
        ++next;
        stage.pass(10ms);
    }
    CHECK(stage.job(job).books.settled().safe().size() == 100);
}

TEST_CASE("several jobs share a memory that is smaller than each of them") {
    std::mt19937 random(7);
    Durable stage(8 * mebibyte);
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w", 4);
    std::vector<JobId> jobs{submit(stage, 1, 30), submit(stage, 2, 30), submit(stage, 3, 30)};
    for (int turns = 0; turns < 3000; ++turns) {
        if (random() % 3 == 0 && !stage.fetches.empty()) {
            std::shuffle(stage.fetches.begin(), stage.fetches.end(), random);
            stage.serve();
        }
        for (const auto& [dispatch, body] : stage.expect_all_with_bodies<wire::Dispatch>("w")) {
            CHECK(body.view().back() == static_cast<char>(dispatch.first));
            Range range{dispatch.first, dispatch.first + 1};
            stage.done("w", dispatch.job, range, 1s);
            stage.say("g", wire::Gathered{.job = dispatch.job, .ranges = {range}});
        }
        if (turns % 50 == 0) stage.pass(10ms);
    }
    for (JobId job : jobs) CHECK(stage.job(job).books.settled().safe().size() == 30);
}

TEST_CASE("a job that ends while its block is fetched, and is retried, gets it all the same") {
    Durable stage(8 * mebibyte);
    stage.client("c");
    stage.gatherer("g");
    JobId job = submit(stage, 1, 20);
    stage.worker("w");
    for (Index next = 0; stage.fetches.empty(); ++next) stage.done("w", job, {next, next + 1}, 1s);
    stage.say("c", wire::Cancel{.job = job});
    bool late = false;
    SUBCASE("the answer comes between") {}
    SUBCASE("the answer is late") { late = true; }
    if (!late) stage.serve();
    stage.say("c", wire::Retry{job});
    stage.skip();
    stage.worker("v");
    for (int i = 0; i < 40; ++i) {
        stage.serve();
        for (const char* worker : {"v", "w"})
            for (const auto& dispatch : stage.expect_all<wire::Dispatch>(worker))
                stage.done(worker, job, {dispatch.first, dispatch.first + dispatch.count}, 1s);
    }
    CHECK(stage.job(job).books.kept().size() + stage.job(job).books.settled().safe().size() == 20);
}

TEST_CASE("a block that the store can't give back ends its job, and says why") {
    bool unreadable = false;
    SUBCASE("as it can't be read") { unreadable = true; }
    SUBCASE("as it is another") {}
    Durable stage(8 * mebibyte);
    stage.client("c");
    stage.gatherer("g");
    JobId job = submit(stage, 1, 20);
    for (auto& [key, record] : stage.disk)
        if (record.kind == static_cast<std::uint8_t>(rows::Kind::block)) {
            if (unreadable) record.data = "not what was written";
            else record.body = Slice::copy("\x01");
        }
    stage.worker("w");
    for (Index next = 0; next < 20 && stage.job(job).running(); ++next) {
        stage.done("w", job, {next, next + 1}, 1s);
        stage.serve();
    }
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::failed);
    CHECK(stage.job(job).life->end.reason.find("damaged") != std::string::npos);
}

TEST_CASE("without a store, what is past memory stays with its sender, though each job goes on") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Notice>();
    stage.core = std::make_unique<Core>(
        Options{.epoch = {0, 1}, .blocks = {"inproc://blocks"}, .memory_bytes = 8 * mebibyte});
    stage.client("c");
    stage.gatherer("g");
    JobId greedy = submit(stage, 1, 20);
    CHECK(stage.core->jobs().at(greedy).books.next() == 5);
    JobId other = submit(stage, 2, 20);
    CHECK(stage.core->jobs().at(other).books.next() == 1);
    stage.worker("w");
    stage.done("w", greedy, {0, 1}, 1s);
    stage.say("g", wire::Gathered{.job = greedy, .ranges = {{0, 2}}});
    stage.say("g", wire::Gathered{.job = greedy, .ranges = {{2, 3}}});
    stage.block(big_block(greedy, 5), big_payload(mebibyte, 5));
    CHECK(stage.core->jobs().at(greedy).books.next() == 6);
}

TEST_CASE("without a store, a first block past memory waits at its sender, who is told") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Ended, wire::Notice,
                 wire::Sealed>();
    stage.core = std::make_unique<Core>(
        Options{.epoch = {0, 1}, .blocks = {"inproc://blocks"}, .memory_bytes = 8 * mebibyte});
    stage.client("c");
    stage.gatherer("g");
    auto whole = [](std::uint64_t n) {
        wire::Block block = big_block(job_number(n), 0);
        block.spec = Stage::spec();
        block.total = 1;
        return block;
    };
    stage.block(whole(1), big_payload(20 * mebibyte, 0));  // larger than all memory: taken alone
    CHECK(stage.core->jobs().contains(job_number(1)));
    for (std::uint64_t n = 2; n <= 8; ++n) {
        wire::Message header = whole(n);
        CHECK_FALSE(stage.core->has_room_for(header, 20 * mebibyte));  // so it is not even unpacked
        if (n % 2 == 0) stage.step(Pulled{header, {}, {}, true});
        else stage.block(whole(n), big_payload(20 * mebibyte, 0));
        CHECK_FALSE(stage.core->jobs().contains(job_number(n)));
        CHECK(stage.expect_all<wire::Notice>("c").back().text.find("--memory") !=
              std::string::npos);
    }
    stage.say("c", wire::Cancel{.job = job_number(1)});
    CHECK(stage.core->has_room_for(whole(2), 20 * mebibyte));
    stage.block(whole(2), big_payload(20 * mebibyte, 0));  // it was sent again
    CHECK(stage.core->jobs().contains(job_number(2)));
}

TEST_CASE("values that are finished and not safe hold a job's dispatches back") {
    Fleet stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    JobId job = stage.open(1, 5);
    stage.say("w", wire::Done{.runs = {{job, {0, 1}, wire::Microseconds(10'000), 100 * mebibyte}}});
    stage.skip<wire::Dispatch>("w");
    stage.pass(1s);
    CHECK(stage.silent("w"));
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    CHECK(stage.expect<wire::Dispatch>("w").first == 1);
}
