// Two threads that lead a loop in turn, with real ones.
#include <doctest/doctest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>

#include "tests/support/executor_harness.hpp"
#include "worker/leaders.hpp"

namespace fanfold::worker {

using namespace testing;

namespace {

/// Looks again and again until the condition holds.
template <class Condition>
bool looked_until(Leaders& leaders, Condition condition) {
    auto until = std::chrono::steady_clock::now() + patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > until) return false;
        leaders.scan();
        std::this_thread::yield();
    }
    return true;
}

}  // namespace

TEST_CASE("leaders: one leads to the end, and its work costs it nothing while it is short") {
    std::set<std::thread::id> threads;
    int works = 0;
    std::optional<Leaders> leaders;
    leaders.emplace([&] {
        threads.insert(std::this_thread::get_id());
        for (int i = 0; i < 100; ++i) CHECK(leaders->work([&] { ++works; }));
    });
    leaders->run();
    CHECK(works == 100);
    CHECK(threads.size() == 1);
    CHECK(threads.count(std::this_thread::get_id()) == 0);
}

TEST_CASE(
    "leaders: who is found at the same work twice loses the lead, and gets it back when the other "
    "is") {
    Gate first;
    Gate second;
    std::atomic<int> leads{0};
    std::atomic<int> lost{0};
    std::atomic<bool> could_work{true};
    std::atomic<bool> back{false};
    std::thread::id threads[3];
    std::optional<Leaders> leaders;
    leaders.emplace([&] {
        int number = leads++;
        threads[number] = std::this_thread::get_id();
        if (number == 0) {
            if (!leaders->work([&] { first.wait(); })) ++lost;
        } else if (number == 1) {
            could_work = leaders->may_work();
            first.open();
            while (!leaders->may_work()) std::this_thread::yield();
            back = true;
            if (!leaders->work([&] { second.wait(); })) ++lost;
        } else {
            second.open();
            while (lost < 2) std::this_thread::yield();
        }
    });
    std::thread looks([&] { CHECK(looked_until(*leaders, [&] { return leads == 3; })); });
    leaders->run();
    looks.join();
    CHECK(lost == 2);
    CHECK_FALSE(could_work);
    CHECK(back);
    CHECK(threads[0] != threads[1]);
    CHECK(threads[0] == threads[2]);
}

TEST_CASE("leaders: a work that never ends is left behind, and finds nothing to touch") {
    auto gate = std::make_shared<Gate>();
    auto left = std::make_shared<Gate>();
    auto kept = std::make_shared<std::atomic<bool>>(true);
    std::atomic<int> leads{0};
    {
        std::optional<Leaders> leaders;
        leaders.emplace([&leaders, &leads, gate, left, kept] {
            auto mine = std::make_tuple(gate, left, kept);
            if (leads++ > 0) return;
            bool still = leaders->work([&] { std::get<0>(mine)->wait(); });
            *std::get<2>(mine) = still;
            std::get<1>(mine)->open();
        });
        std::thread looks([&] { CHECK(looked_until(*leaders, [&] { return leads == 2; })); });
        leaders->run();
        looks.join();
    }
    gate->open();
    CHECK(left->wait());
    CHECK_FALSE(*kept);
}

TEST_CASE("leaders: are closed again, to wait longer for work that goes on") {
    Gate gate;
    std::atomic<int> leads{0};
    std::optional<Leaders> leaders;
    leaders.emplace([&] {
        if (leads++ == 0) (void)leaders->work([&] { gate.wait(); });
    });
    std::thread looks([&] { CHECK(looked_until(*leaders, [&] { return leads == 2; })); });
    leaders->run();
    looks.join();
    CHECK_FALSE(leaders->close(Clock::now()));
    gate.open();
    CHECK(leaders->close(Clock::now() + patience));
}

TEST_CASE("leaders: what a leader throws comes out of run") {
    Leaders leaders([] { throw std::runtime_error("no more"); });
    CHECK_THROWS_WITH_AS(leaders.run(), "no more", std::runtime_error);
}

}  // namespace fanfold::worker
