// Handlers in batches: values that are taken while more are made, timeouts, short tasks on the
// caller's thread.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/executor_harness.hpp"
#include "worker/executor.hpp"
#include "worker/handlers/value_buffer.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {

std::vector<std::string> counted(std::uint64_t count) {
    std::vector<std::string> payloads;
    for (std::uint64_t i = 0; i < count; ++i) payloads.push_back(packed(i));
    return payloads;
}

void spin(Duration duration) {
    for (auto until = Clock::now() + duration; Clock::now() < until;) {
    }
}

}  // namespace

TEST_CASE("value buffer: what is taken in parts is what was added") {
    ValueBuffer buffer;
    buffer.begin(10, 0);
    std::string first = "a first value of some length, ";
    CHECK_FALSE(buffer.add(first));  // there is no room yet
    buffer.add_with_room(first);
    CHECK(buffer.add("second"));
    CHECK(buffer.next() == 12);
    auto part = buffer.take_copy();
    CHECK(part.first == 10);
    CHECK(part.count == 2);
    CHECK(part.body.view() == "a first value of some length, second");
    CHECK(buffer.waiting() == 0);
    CHECK(buffer.add("third"));
    part = buffer.take_all(13);
    CHECK(part.first == 12);
    CHECK(part.count == 1);
    CHECK(part.body.view() == "third");
    CHECK(buffer.size() == 0);
    CHECK(buffer.take_all(20).count == 0);
    CHECK(buffer.next() == 20);
}

TEST_CASE("value buffer: has no more room than a block, but takes what is larger") {
    ValueBuffer buffer;
    buffer.begin(0, 100 * limits::block_bytes);
    std::string small = "a small value, but not too small";
    std::string large(limits::block_bytes - small.size(), 'v');
    buffer.add_with_room(small);
    CHECK(buffer.add(large));
    CHECK_FALSE(buffer.add("x"));
    buffer.add_with_room(large);
    CHECK(buffer.take_all(3).body.size() == limits::block_bytes + large.size());
}

TEST_CASE("value buffer: is closed at a fragment, or too late") {
    ValueBuffer buffer;
    buffer.begin(0, 0);
    std::string value = "a";
    buffer.add_with_room(value);
    CHECK(buffer.add_before_close("b") == ValueBuffer::Added::yes);
    CHECK_FALSE(buffer.close_at(1));
    CHECK(buffer.close_at(2));
    CHECK(buffer.add_before_close("c") == ValueBuffer::Added::closed);
    CHECK(buffer.take_copy().body.view() == "ab");
    CHECK(buffer.next() == 2);
    buffer.begin(5, 0);
    CHECK(buffer.add_before_close("d") == ValueBuffer::Added::yes);
}

TEST_CASE("executors: values of a long chunk of short fragments are told while it goes on") {
    ExecutorStage stage(typed_function([](std::uint64_t number) {
        spin(20us);
        return number;
    }));
    wire::JobSpec spec{.owner = {}};
    SUBCASE("timed") { spec.timeout = 10s; }
    SUBCASE("not timed") {}
    auto payloads = counted(5000);  // of 100 ms
    stage.run("typed", payloads, spec);
    auto first = stage.next<Values>();
    CHECK(first.first == 0);
    CHECK(first.count > 0);
    CHECK(first.count < 5000);
    CHECK(first.elapsed >= std::chrono::duration_cast<wire::Microseconds>(20us * first.count / 2));
    std::string all(first.body.view());
    std::uint64_t count = first.count;
    while (count < 5000) {
        auto part = stage.next<Values>();
        CHECK(part.first == count);
        all += part.body.view();
        count += part.count;
    }
    std::string expected;
    for (const std::string& payload : payloads) expected += payload;
    CHECK(all == expected);
    stage.next<Finished>();
}

TEST_CASE("executors: values of all sizes come whole and in order") {
    ExecutorStage stage(typed_function([](std::uint32_t size) { return std::string(size, 'v'); }));
    wire::JobSpec spec{.owner = {}};
    SUBCASE("timed") { spec.timeout = 10s; }
    SUBCASE("not timed") {}
    std::vector<std::string> payloads;
    std::vector<std::string> expected;
    for (std::uint32_t size : {0u, 10u, 5000u, 70'000u, 1u, 600'000u, 600'000u, 3u, 2'000'000u,
                               70'000u, 70'000u, 4096u}) {
        payloads.push_back(packed(size));
        expected.push_back(packed(std::string(size, 'v')));
    }
    for (int i = 0; i < 3000; ++i)
        payloads.push_back(packed(1000)), expected.push_back(packed(std::string(1000, 'v')));
    stage.run("typed", payloads, spec);
    CHECK(stage.values() == expected);
}

TEST_CASE(
    "executors: in a timed chunk of short fragments the one that overruns is the one that is "
    "told") {
    auto gate = std::make_shared<Gate>();
    std::atomic<std::uint64_t> calls{0};
    ExecutorStage stage(typed_function([&calls, gate](std::uint64_t number) {
        ++calls;
        return number != 3000 || gate->wait();
    }));
    auto task = stage.run("typed", counted(4000), {.timeout = 300ms, .owner = {}});
    std::uint64_t count = 0;
    while (count < 3000) {
        auto part = stage.next<Values>();
        CHECK(part.first == count);
        count += part.count;
    }
    CHECK(count == 3000);
    stage.executors().trim({.task = task, .from = 0});
    CHECK(stage.next<Trimmed>().range.end == 4000);  // what was not claimed with it
    auto overran = stage.next<Overran>();
    CHECK(overran.index == 3000);
    gate->open();
    stage.next<Finished>();
    CHECK(calls == 3001);
}

TEST_CASE("executors: failures in a batch leave the others as they are") {
    ExecutorStage stage(typed_function([](std::uint64_t number) {
        if (number % 1000 == 999) throw std::runtime_error("a thousand");
        return number;
    }));
    stage.run("typed", counted(3500));
    Index next = 0;
    for (Index failed : {999, 1999, 2999}) {
        while (next < failed) {
            auto part = stage.next<Values>();
            CHECK(part.first == next);
            next += part.count;
        }
        CHECK(stage.failure().index == failed);
        next = failed + 1;
    }
    CHECK(stage.next<Values>().first == 3000);
    stage.next<Finished>();
}

TEST_CASE(
    "executors: a function is known to be short when it was, and is not any more when it was not") {
    std::atomic<bool> slow{false};
    ExecutorStage stage(typed_function([&](std::uint64_t number) {
        if (slow) spin(20ms);
        return number;
    }));
    auto expected = [&](const std::string& function, std::uint32_t count) {
        return stage.executors().expected(
            {.job = {}, .count = count, .body = {}, .spec = {.function = function, .owner = {}}});
    };
    CHECK(expected("typed", 1) == Duration::max());
    for (int i = 0; i < 100; ++i) {
        stage.run("typed", counted(10));
        CHECK(stage.values().size() == 10);
        stage.run("fanfold.sleep", {packed(0)});
        CHECK(stage.values().size() == 1);
    }
    CHECK(expected("typed", 1) < 10ms);
    CHECK(expected("typed", 1000) > expected("typed", 1));
    CHECK(expected("fanfold.sleep", 1) == Duration::max());
    CHECK(expected("nobody's", 1) == Duration::max());
    slow = true;
    stage.run("typed", counted(1));
    stage.values();
    CHECK(expected("typed", 1) >= 20ms);
}

TEST_CASE("executors: a task on the caller's thread") {
    Gate entered;
    Gate gate;
    std::thread::id runs_on;
    ExecutorStage stage(typed_function([&](std::uint64_t number) {
        runs_on = std::this_thread::get_id();
        if (number != 1) return true;
        entered.open();
        return gate.wait();
    }));
    stage.run("typed", {packed(0)});  // the slot has its own thread now, which waits
    CHECK(stage.values().size() == 1);
    auto task = [&](std::uint64_t number, std::uint64_t payload, wire::Milliseconds timeout) {
        return Run{.slot = 0,
                   .task = {.number = number,
                            .job = {},
                            .first = 0,
                            .count = 2,
                            .body = Slice::copy(packed(payload) + packed(0)),
                            .spec = {.function = "typed", .timeout = timeout, .owner = {}}}};
    };
    stage.executors().run_here(task(100, 0, 0ms));
    CHECK(runs_on == std::this_thread::get_id());
    CHECK(stage.values().size() == 2);
    SUBCASE("is stopped and trimmed") {
        std::thread caller([&] { stage.executors().run_here(task(101, 1, 0ms)); });
        CHECK(entered.wait());
        stage.executors().trim({.task = 101, .from = 0});
        CHECK(stage.next<Trimmed>().range == Range{1, 2});
        stage.executors().stop(101);
        gate.open();
        caller.join();
        CHECK(stage.values().size() == 1);
    }
    SUBCASE("overruns") {
        std::thread caller([&] { stage.executors().run_here(task(101, 1, 50ms)); });
        CHECK(stage.next<Overran>().index == 0);
        gate.open();
        caller.join();
        CHECK(stage.next<Finished>().task == 101);
    }
    SUBCASE("is left behind when it does not return") {
        std::thread caller([&] { stage.executors().run_here(task(101, 1, 0ms)); });
        CHECK(entered.wait());
        CHECK_FALSE(stage.executors().close());
        gate.open();
        caller.join();
    }
}

}  // namespace fanfold::worker
