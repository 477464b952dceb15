#include <doctest/doctest.h>

#include <map>

#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
/// Plays a fleet of one slot in which every fragment takes a millisecond, until so many have run;
/// how many each job had.
std::map<JobId, std::uint64_t> run(Stage& stage, std::uint64_t fragments) {
    std::map<JobId, std::uint64_t> count;
    for (std::uint64_t ran = 0; ran < fragments;) {
        auto chunks = stage.expect_all<wire::Dispatch>("w");
        REQUIRE_FALSE(chunks.empty());
        for (const auto& chunk : chunks) {
            count[chunk.job] += chunk.count;
            ran += chunk.count;
            stage.done("w", chunk.job, {chunk.first, chunk.first + chunk.count}, chunk.count * 1ms);
        }
    }
    return count;
}

JobId open(Stage& stage, std::uint64_t n, wire::JobShare share, std::uint32_t count = 60) {
    constexpr std::uint32_t most = 200;  // in a block
    for (Index first = 0; first < count; first += most) {
        wire::Block block{.job = job_number(n), .token = 1, .first = first, .stride = most};
        block.count = static_cast<std::uint32_t>(std::min<Index>(most, count - first));
        if (first == 0) {
            block.spec = Stage::spec();
            block.spec->share = share;
        }
        if (first + block.count == count) block.total = count;
        stage.block(block, Slice::take(std::string(block.count, '\x07')));
    }
    return job_number(n);
}

struct Quiet : Fleet {
    Quiet() {
        ignore<wire::Accepted, wire::Adjusted, wire::Assign, wire::Dispatch, wire::Sealed>();
    }
};
}  // namespace

TEST_CASE("jobs of one weight share the slots' time, whenever they came") {
    Quiet stage;
    JobId first = open(stage, 1, {}, 5000);
    run(stage, 1000);
    JobId second = open(stage, 2, {}, 5000);
    auto count = run(stage, 1000);
    CHECK(count[first] > 400);
    CHECK(count[second] > 400);
}

TEST_CASE("weights share the slots' time in their proportion") {
    Quiet stage;
    JobId light = open(stage, 1, {.weight = 1}, 5000);
    JobId heavy = open(stage, 2, {.weight = 3}, 5000);
    auto count = run(stage, 2000);
    double ratio = static_cast<double>(count[heavy]) / static_cast<double>(count[light]);
    CHECK(ratio > 2.5);
    CHECK(ratio < 3.5);
}

TEST_CASE("a small job behind a huge one is served at once") {
    Quiet stage;
    open(stage, 1, {}, 60'000);
    run(stage, 2000);
    JobId small = open(stage, 2, {}, 10);
    CHECK(run(stage, 60)[small] == 10);
}

TEST_CASE("a job of another demand has its share beside one that fills the queues") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    stage.client("c");
    stage.gatherer("g");
    stage.say("w", wire::Hello{.role = wire::Role::worker,
                               .name = "w",
                               .epoch = {0, 1},
                               .slots = 1,
                               .functions = {"f", "other"}});
    stage.expect<wire::Welcome>("w");
    open(stage, 1, {}, 60'000);
    run(stage, 1000);
    auto spec = Stage::spec();
    spec.function = "other";
    JobId second = stage.open(2, 200, spec);
    CHECK(run(stage, 350)[second] > 150);
}

TEST_CASE("a suspect gets a slot beside work that fills the queues") {
    Quiet stage;
    stage.ignore<wire::Notice>();
    open(stage, 1, {}, 60'000);
    run(stage, 1000);
    JobId suspect = open(stage, 2, {.priority = 1}, 1);
    const auto chunk = stage.expect<wire::Dispatch>("w");
    stage.done("w", chunk.job, {chunk.first, chunk.first + chunk.count});  // so that it follows
    stage.step(Unroutable{{"w"}});
    auto adjust = [&](int priority) {
        stage.say("c", wire::Adjust{
                           .job = suspect, .priority = priority, .weight = {}, .max_running = {}});
    };
    adjust(-1);  // what else the worker may take comes before it
    stage.skip();
    stage.worker("w", 1, 2);
    CHECK(run(stage, 2000)[suspect] == 0);
    adjust(0);
    CHECK(run(stage, 200)[suspect] == 1);
}

TEST_CASE("a higher priority goes first, and may be given later") {
    Quiet stage;
    JobId usual = open(stage, 1, {}, 5000);
    JobId urgent = open(stage, 2, {.priority = 1}, 100);
    auto count = run(stage, 120);
    CHECK(count[urgent] == 100);
    JobId late = open(stage, 3, {}, 100);
    stage.say("c", wire::Adjust{.job = late, .priority = 7, .weight = {}, .max_running = {}});
    stage.say("c", wire::Adjust{.job = usual, .priority = {}, .weight = 2.0, .max_running = {}});
    CHECK(run(stage, 150)[late] == 100);
}

TEST_CASE("no more fragments of a job are at workers than it allows") {
    Stage stage;
    stage.ignore<wire::Accepted, wire::Adjusted, wire::Assign, wire::Dispatch, wire::Sealed>();
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w", 8);
    JobId job = open(stage, 1, {.max_running = 3});
    const Job& known = stage.core->jobs().at(job);
    CHECK(known.books.loans().first().size() == 3);
    for (Index index = 0; index < 20; ++index) {
        stage.done("w", job, {index, index + 1}, 1us);
        CHECK(known.books.loans().first().size() <= 3);
        CHECK(known.books.loans().first().size() > 0);
    }
    stage.say("c", wire::Adjust{.job = job, .priority = {}, .weight = {}, .max_running = 5});
    CHECK(known.books.loans().first().size() == 5);
}

TEST_CASE("a share is answered, reported, and kept; one that makes no sense is refused") {
    Durable stage;
    stage.fleet();
    JobId job = open(stage, 1, {.priority = -2});
    stage.skip();
    stage.say("c", wire::Adjust{.job = job, .priority = {}, .weight = 0.5, .max_running = 9});
    auto adjusted = stage.expect<wire::Adjusted>("c");
    CHECK(adjusted.share.priority == -2);
    CHECK(adjusted.share.weight == 0.5);
    CHECK(adjusted.share.max_running == 9);
    stage.restart();
    CHECK(stage.job(job).standing->share.weight == 0.5);
    stage.client("c");
    stage.skip();
    stage.say("c", wire::Query{.number = 1, .topic = wire::Topic::jobs});
    CHECK(stage.expect<wire::Report>("c").jobs.at(0).share.max_running == 9);
    stage.say("c", wire::Adjust{.job = job, .priority = {}, .weight = 0.0, .max_running = {}});
    CHECK(stage.expect<wire::Refused>("c").text.find("weight") != std::string::npos);
    stage.gatherer("g");
    open(stage, 2, {.weight = -1});
    CHECK(stage.expect<wire::Refused>("c").code == wire::RefusalCode::malformed);
}
