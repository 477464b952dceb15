// Executors with real threads: handlers and the built-in functions.
#include <doctest/doctest.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/executor_harness.hpp"
#include "tests/support/process_state.hpp"
#include "worker/executor.hpp"

namespace fanfold::worker {

using namespace testing;

TEST_CASE("executors: a handler's values come back in order, many at a time") {
    ExecutorStage stage(typed_function([](std::uint64_t number) { return number + 1; }));
    std::vector<std::string> payloads;
    std::vector<std::string> expected;
    for (std::uint64_t i = 0; i < 5000; ++i)
        payloads.push_back(packed(i)), expected.push_back(packed(i + 1));
    stage.run("typed", payloads);
    CHECK(stage.values() == expected);
    stage.run("typed", {packed(7)});
    CHECK(stage.values() == std::vector<std::string>{packed(8)});
}

TEST_CASE(
    "executors: an exception fails its fragment, the values before it come first, the next go on") {
    ExecutorStage stage(typed_function([](int number) {
        if (number == 2) throw std::runtime_error("two is no good");
        if (number == 3) throw 3;
        return number;
    }));
    auto task =
        stage.run("typed", {packed(0), packed(1), packed(2), packed(3), packed("x"), packed(5)});
    auto before = stage.next<Values>();
    CHECK(before.task == task);
    CHECK(before.first == 0);
    CHECK(before.count == 2);
    CHECK(before.started.count() > 0);
    auto failed = stage.failure();
    CHECK(failed.index == 2);
    CHECK(failed.kind == wire::FailureKind::failed);
    CHECK(failed.message == "two is no good");
    CHECK(failed.started == before.started + before.elapsed);
    CHECK(stage.failure().message == "the handler threw something that is no std::exception");
    CHECK(stage.failure().message.find("it is text") != std::string::npos);
    auto after = stage.next<Values>();
    CHECK(after.first == 5);
    CHECK(after.count == 1);
    CHECK(stage.next<Finished>().task == task);
}

TEST_CASE(
    "executors: a fragment that a stopped task did not finish says nothing of what it takes") {
    Executors* executors = nullptr;
    std::uint64_t running = 0;
    ExecutorStage stage(with("stopped", [&](Context&, std::string_view, std::string&) {
        executors->stop(++running);
        throw std::runtime_error("stopped");
    }));
    executors = &stage.executors();
    for (int i = 0; i < 20; ++i) {
        auto task = stage.run("stopped", {packed(0)});
        CHECK(stage.next<Finished>().task == task);
    }
    Task next;
    next.count = 1;
    next.spec.function = "stopped";
    CHECK(executors->expected(next) == Duration::max());
}

TEST_CASE("executors: a value must be one MessagePack object") {
    ExecutorStage stage(with("raw", [](Context&, std::string_view payload, std::string& out) {
        if (payload == packed(0)) return;
        out += packed(1);
        if (payload == packed(1)) out += packed(2);
    }));
    stage.run("raw", {packed(0), packed(1), packed(2)});
    CHECK(stage.failure().message == "the handler's value is not exactly one MessagePack object");
    CHECK(stage.failure().index == 1);
    CHECK(stage.next<Values>().first == 2);
    stage.next<Finished>();
}

TEST_CASE("executors: a chunk that is not whole objects fails") {
    ExecutorStage stage(FunctionTable{});
    stage.run("fanfold.echo", {packed(1), "\xc1"});
    CHECK(stage.failure().message == "the chunk's payloads are not 2 whole MessagePack objects");
    CHECK(stage.failure().index == 1);
    stage.next<Finished>();
}

TEST_CASE("executors: what is finished is told while a slow fragment runs") {
    Gate gate;
    ExecutorStage stage(
        typed_function([&](int number) { return number == 3 ? gate.wait() : true; }));
    stage.run("typed", {packed(0), packed(1), packed(2), packed(3), packed(4)});
    auto early = stage.next<Values>();
    CHECK(early.first == 0);
    CHECK(early.count == 3);
    gate.open();
    auto late = stage.next<Values>();
    CHECK(late.first == 3);
    stage.next<Finished>();
}

TEST_CASE("executors: slots run side by side") {
    Gate first;
    Gate second;
    ExecutorStage stage(typed_function([&](int number) {
                            (number == 1 ? second : first).open();
                            return (number == 1 ? first : second).wait();
                        }),
                        2);
    stage.run("typed", {packed(1)}, {}, 0);
    stage.run("typed", {packed(2)}, {}, 1);
    int values = 0;
    int finished = 0;
    while (finished < 2) {
        Event event = stage.next_event();
        if (const auto* made = std::get_if<Values>(&event)) {
            CHECK(made->body.view() == packed(true));
            ++values;
        } else {
            REQUIRE(std::holds_alternative<Finished>(event));
            ++finished;
        }
    }
    CHECK(values == 2);
}

TEST_CASE("executors: stop sets the token, and the rest is not run") {
    std::atomic<int> calls{0};
    Gate entered;
    ExecutorStage stage(typed_function([&](Context& context, int) {
        ++calls;
        entered.open();
        auto until = Clock::now() + patience;
        while (!context.cancelled() && Clock::now() < until) std::this_thread::yield();
        context.log("stopping");
        return context.cancelled();
    }));
    auto task = stage.run("typed", {packed(0), packed(1)});
    CHECK(entered.wait());
    stage.executors().stop(task + 5);  // not this one
    stage.executors().stop(task);
    CHECK(stage.next<Values>().count == 1);
    stage.next<Finished>();
    CHECK(calls == 1);
    CHECK(stage.logged == std::vector<std::string>{"0 stopping"});
}

TEST_CASE("executors: what a task has not begun is given up, and never runs") {
    std::atomic<int> calls{0};
    Gate entered;
    Gate gate;
    ExecutorStage stage(typed_function([&](int number) {
        ++calls;
        if (number == 0) entered.open();
        return number != 0 || gate.wait();
    }));
    std::vector<std::string> payloads;
    for (int i = 0; i < 100; ++i) payloads.push_back(packed(i));
    auto task = stage.run("typed", payloads);
    CHECK(entered.wait());
    stage.executors().trim({.task = task + 5, .from = 0});  // nobody runs that
    CHECK(stage.next<Trimmed>().range == Range{});
    stage.executors().trim({.task = task, .from = 60});
    auto trimmed = stage.next<Trimmed>();
    CHECK(trimmed.task == task);
    CHECK(trimmed.range == Range{60, 100});
    stage.executors().trim({.task = task, .from = 0});
    CHECK(stage.next<Trimmed>().range == Range{1, 60});
    stage.executors().trim({.task = task, .from = 0});
    CHECK(stage.next<Trimmed>().range == Range{});
    gate.open();
    CHECK(stage.values().size() == 1);
    CHECK(calls == 1);
    stage.executors().trim({.task = task, .from = 0});
    CHECK(stage.next<Trimmed>().range == Range{});
    stage.run("typed", {packed(1), packed(2)});
    CHECK(stage.values().size() == 2);
}

TEST_CASE("executors: what is given up of a sleeping task is not slept") {
    ExecutorStage stage(FunctionTable{});
    auto task = stage.run("fanfold.sleep", {packed(1000), packed(1000), packed(1000)});
    stage.executors().trim({.task = task, .from = 2});
    CHECK(stage.next<Trimmed>().range == Range{2, 3});
    stage.executors().stop(task);
    CHECK(stage.next<Finished>().task == task);
}

TEST_CASE("executors: a handler that overruns is reported, and its value is dropped") {
    Gate gate;
    ExecutorStage stage(
        typed_function([&](int number) { return number == 2 ? gate.wait() : true; }));
    auto task = stage.run("typed", {packed(0), packed(1), packed(2), packed(3)},
                          {.timeout = 50ms, .owner = {}});
    CHECK(stage.next<Values>().count == 2);
    auto overran = stage.next<Overran>();
    CHECK(overran.task == task);
    CHECK(overran.index == 2);
    gate.open();
    CHECK(stage.next<Finished>().task == task);
    stage.run("typed", {packed(3)});
    CHECK(stage.values().size() == 1);
}

TEST_CASE("executors: end with a handler that does not return") {
    auto gate = std::make_shared<Gate>();
    auto entered = std::make_shared<Gate>();
    auto left = std::make_shared<Gate>();
    {
        ExecutorStage stage(typed_function([=](int) {
            entered->open();
            bool opened = gate->wait();
            left->open();
            return opened;
        }));
        stage.run("typed", {packed(0)});
        CHECK(entered->wait());
        CHECK_FALSE(stage.executors().close());
    }
    gate->open();
    CHECK(left->wait());
}

TEST_CASE("executors: are closed again, to wait longer") {
    Gate gate;
    Gate entered;
    ExecutorStage stage(typed_function([&](int) {
        entered.open();
        return gate.wait();
    }));
    stage.run("typed", {packed(0)});
    CHECK(entered.wait());
    CHECK_FALSE(stage.executors().close(Clock::now()));
    gate.open();
    CHECK(stage.executors().close(Clock::now() + patience));
    CHECK(stage.executors().close(Clock::now()));
}

TEST_CASE("executors: a task for which the system gives no thread fails, and the next may run") {
    ExecutorStage stage(typed_function([](int number) { return number; }));
    {
        const fanfold::testing::NoThreads none;
        stage.run("typed", {packed(0), packed(1)});
    }
    CHECK(stage.failure().message.find("has no thread") != std::string::npos);
    CHECK(stage.failure().index == 1);
    stage.next<Finished>();
    stage.run("typed", {packed(2)});
    CHECK(stage.values().size() == 1);
}

TEST_CASE("executors: built-in functions") {
    ExecutorStage stage(FunctionTable{});
    SUBCASE("echo") {
        std::vector<std::string> payloads{packed(1), wire::pack_text("a"),
                                          packed(std::vector<int>{1, 2})};
        stage.run("fanfold.echo", payloads);
        CHECK(stage.values() == payloads);
    }
    SUBCASE("fail") {
        stage.run("fanfold.fail", {wire::pack_text("as you wish"), packed(1)});
        CHECK(stage.failure().message == "as you wish");
        CHECK(stage.failure().message == "fanfold.fail was called with a payload that is no text");
        stage.next<Finished>();
    }
    SUBCASE("sleep") {
        stage.run("fanfold.sleep", {packed(0), packed(0.03), wire::pack_text("0.001")});
        auto values = stage.values();
        CHECK(values.size() == 3);
        CHECK(values[2] == wire::pack_text("0.001"));
    }
    SUBCASE("sleep takes as long as it is told") {
        stage.run("fanfold.sleep", {packed(0.03)});
        auto run = stage.next<Values>();
        CHECK(run.elapsed >= 30ms);
        stage.next<Finished>();
    }
    SUBCASE("sleep of what is no time") {
        stage.run("fanfold.sleep", {wire::pack_text("long"), packed(-1), wire::pack_text(""),
                                    wire::pack_text("nan")});
        CHECK(stage.failure().message ==
              "fanfold.sleep wants a number of seconds from 0 to a year, not 'long'");
        for (Index i = 1; i < 4; ++i) CHECK(stage.failure().index == i);
        stage.next<Finished>();
    }
    SUBCASE("sleep keeps to the timeout") {
        stage.run("fanfold.sleep", {packed(0), packed(100), packed(0)},
                  {.timeout = 40ms, .owner = {}});
        CHECK(stage.next<Values>().count == 1);
        auto failure = stage.failure();
        CHECK(failure.kind == wire::FailureKind::timeout);
        CHECK(failure.index == 1);
        CHECK(failure.message == "took longer than its timeout of 40ms");
        CHECK(failure.elapsed >= 40ms);
        CHECK(stage.next<Values>().first == 2);
        stage.next<Finished>();
    }
    SUBCASE("sleep wakes at a stop") {
        auto task = stage.run("fanfold.sleep", {packed(1000), packed(1000)});
        stage.executors().stop(task);
        CHECK(stage.next<Finished>().task == task);
    }
}

}  // namespace fanfold::worker
