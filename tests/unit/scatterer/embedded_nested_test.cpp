// Handlers of an embedded fleet that scatter inner jobs and wait for them.
#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "fanfold/embedded.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {

constexpr auto nested_patience = 60s;

// The one for threads ends a program whose thread has 64 mutexes, one of each job that it reads.
#if defined(__SANITIZE_THREAD__)
constexpr bool has_many_mutexes = false;
#else
constexpr bool has_many_mutexes = true;
#endif

/// What a call on another thread returns; a test that waits for ever fails instead.
template <class Call>
auto nested_in_time(Call call) {
    auto returned = std::async(std::launch::async, std::move(call));
    if (returned.wait_for(nested_patience) != std::future_status::ready) {
        MESSAGE("a call did not return in time");
        std::quick_exit(1);
    }
    return returned.get();
}

int sum_of(Job job) {
    int sum = 0;
    while (auto result = job.next()) sum += result->as<int>();
    return sum;
}

/// A fleet with a function that calls itself: its value is the number of calls below and with it.
struct Recursive {
    explicit Recursive(std::uint32_t slots, std::size_t children) : fleet({.slots = slots}) {
        fleet.function("count", [this, children](int depth) {
            {
                std::lock_guard lock(mutex);
                threads.insert(std::this_thread::get_id());
            }
            if (depth == 0) return 1;
            return 1 + sum_of(fleet.scatterer().scatter("count",
                                                        std::vector<int>(children, depth - 1)));
        });
    }
    int count(int depth, std::size_t fragments = 1) {
        return nested_in_time([&] {
            return sum_of(fleet.scatterer().scatter("count", std::vector<int>(fragments, depth)));
        });
    }
    std::mutex mutex;
    std::set<std::thread::id> threads;
    Embedded fleet;
};

}  // namespace

TEST_CASE("nested: a handler of the only slot waits for inner jobs, which run on its thread") {
    Recursive one(1, 3);
    CHECK(one.count(1, 3) == 12);
    CHECK(one.count(4) == 121);
    CHECK(one.threads.size() == 1);
}

TEST_CASE("nested: jobs lie within one another ten deep, and beside one another") {
    Recursive two(2, 1);
    CHECK(two.count(10, 4) == 44);
    Recursive wide(3, 2);
    CHECK(wide.count(6) == 127);
}

TEST_CASE("nested: a recursion without end is an error" * doctest::skip(!has_many_mutexes)) {
    Recursive one(1, 1);
    std::string message = nested_in_time([&] {
        Job job = one.fleet.scatterer().scatter("count", std::vector<int>{1000});
        return job.next()->message;
    });
    CHECK(message.find("at most 64") != std::string::npos);
}

TEST_CASE("nested: what a handler was given stays as it is while its thread runs another") {
    Embedded fleet({.slots = 1});
    using Tree = std::map<std::string_view, std::vector<msgpack::object>>;
    fleet.function("leaves", [&](const Tree& tree) {
        int leaves = 0;
        if (tree.size() > 1) {
            std::map<std::string, std::vector<int>> less{{"only", {7, 8, 9, 10, 11, 12, 13}}};
            leaves = sum_of(fleet.scatterer().scatter("leaves", std::vector{less, less}));
        }
        for (const auto& [name, objects] : tree)
            for (const msgpack::object& object : objects) leaves += object.as<int>();
        return leaves;
    });
    std::map<std::string, std::vector<int>> tree{{"a", {1, 2}}, {"b", {3}}};
    CHECK(nested_in_time([&] {
              return sum_of(fleet.scatterer().scatter("leaves", std::vector{tree}));
          }) == 6 + 2 * 70);
}

TEST_CASE("nested: an inner handler that throws is its fragment's failure alone") {
    Embedded fleet({.slots = 1});
    fleet.function("bad", [](int number) {
        if (number == 1) throw std::runtime_error("not this one");
        return number;
    });
    fleet.function("outer", [&](int) {
        Job job = fleet.scatterer().scatter("bad", std::vector<int>{0, 1, 2}, {.ordered = true});
        std::string seen;
        while (auto result = job.next()) seen += result->ok() ? "+" : result->message;
        return seen;
    });
    CHECK(nested_in_time([&] {
              Job job = fleet.scatterer().scatter("outer", std::vector<int>{0});
              return job.next()->as<std::string>();
          }) == "+not this one+");
}

TEST_CASE("nested: an inner job is cancelled with its outer fragment, on whose thread it runs") {
    Embedded fleet({.slots = 1});
    std::promise<void> entered;
    std::promise<std::string> heard;
    fleet.function("inner", [&](Context& context, int) {
        entered.set_value();
        while (!context.cancelled()) std::this_thread::yield();
    });
    fleet.function("outer", [&](int) {
        Job job = fleet.scatterer().scatter("inner", std::vector<int>{0});
        try {
            while (job.next()) {
            }
            heard.set_value("an end as any");
        } catch (const FanfoldError& error) {
            heard.set_value(error.what());
            throw;
        }
    });
    JobOptions options;
    SUBCASE("that is cancelled") {}
    SUBCASE("that runs past its timeout") { options.timeout = 300ms; }
    Job job = fleet.scatterer().scatter("outer", std::vector<int>{0}, options);
    nested_in_time([&] { entered.get_future().wait(); });
    if (options.timeout == 0ms) job.cancel();
    CHECK(nested_in_time([&] { return heard.get_future().get(); }).find("was cancelled") !=
          std::string::npos);
    Job next = fleet.scatterer().scatter("fanfold.echo", std::vector<int>{5});  // all is as before
    CHECK(nested_in_time([&] { return next.next()->as<int>(); }) == 5);
}

TEST_CASE("nested: a handler's own thread names the parent, and its job ends with the handler") {
    Embedded fleet({.slots = 2});
    std::promise<Job> left;
    fleet.function("inner", [](Context& context, int) {
        while (!context.cancelled()) std::this_thread::yield();
    });
    fleet.function("outer", [&](Context& context, int) {
        std::thread([&] {
            left.set_value(
                fleet.scatterer().scatter("inner", std::vector<int>{0}, {.parent = context}));
        }).join();
    });
    Job outer = fleet.scatterer().scatter("outer", std::vector<int>{0});
    CHECK(nested_in_time([&] { return outer.wait(); }).outcome == JobOutcome::complete);
    Job inner = left.get_future().get();
    CHECK(nested_in_time([&] { return inner.wait(); }).outcome == JobOutcome::cancelled);
}

TEST_CASE("nested: an inner fragment that overran holds the slot of its handler, and no more") {
    std::promise<void> door;
    Embedded fleet({.slots = 1});
    fleet.function("stuck", [open = door.get_future().share()](int) { open.wait(); });
    std::promise<FragmentOutcome> inner;
    fleet.function("outer", [&](int) {
        Job job = fleet.scatterer().scatter("stuck", std::vector<int>{0}, {.timeout = 100ms});
        inner.set_value(job.next()->outcome);
    });
    Job outer = fleet.scatterer().scatter("outer", std::vector<int>{0}, {.timeout = 1s});
    CHECK(nested_in_time([&] { return outer.next()->outcome; }) == FragmentOutcome::timeout);
    Job job = fleet.scatterer().scatter("fanfold.echo", std::vector<int>{5});
    CHECK(nested_in_time([&] { return job.next()->as<int>(); }) == 5);  // on the spare thread
    door.set_value();
    CHECK(nested_in_time([&] { return inner.get_future().get(); }) == FragmentOutcome::timeout);
}
