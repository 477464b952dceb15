// A scatterer in use by several threads at once, over an embedded fleet: each thread gets what it
// waits for.
#include <doctest/doctest.h>

#include <future>
#include <thread>

#include "fanfold/embedded.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {

struct Fleet {
    Fleet() {
        fleet.function("double", [](std::uint64_t value) { return 2 * value; });
        scatterer = &fleet.scatterer();
    }
    Embedded fleet{{.slots = 2}};
    Scatterer* scatterer;
};

void add_all(Job& job, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) job.add(i);
    job.seal();
}

/// All results, in order.
void collect_all(Job& job, std::uint64_t count) {
    std::uint64_t next = 0;
    while (auto result = job.next()) {
        REQUIRE(result->index == next);
        REQUIRE(result->as<std::uint64_t>() == 2 * next);
        ++next;
    }
    CHECK(next == count);
    CHECK(job.wait().outcome == JobOutcome::complete);
}

}  // namespace

TEST_CASE("the first calls for an embedded fleet's scatterer come from several threads") {
    Embedded fleet({.slots = 2});
    std::vector<std::future<Scatterer*>> users;
    for (int user = 0; user < 8; ++user)
        users.push_back(std::async(std::launch::async, [&] { return &fleet.scatterer(); }));
    Scatterer* first = users.front().get();
    for (std::size_t i = 1; i < users.size(); ++i) CHECK(users[i].get() == first);
}

TEST_CASE("a range may stand for its values") {
    Embedded fleet({.slots = 1});
    fleet.function("not", [](bool value) { return !value; });
    Job job = fleet.scatterer().scatter("not", std::vector<bool>{true, false}, {.ordered = true});
    CHECK_FALSE(job.next()->as<bool>());
    CHECK(job.next()->as<bool>());
}

TEST_CASE("a Job that was moved from says so") {
    Fleet fleet;
    Job job = fleet.scatterer->open("double");
    Job other = std::move(job);
    CHECK_THROWS_WITH_AS(job.add(1), doctest::Contains("was moved from"), FanfoldError);
    CHECK_THROWS_AS(job.next(), FanfoldError);
    CHECK_THROWS_AS(job.cancel(), FanfoldError);
    CHECK_THROWS_AS((void)job.id(), FanfoldError);
    other.cancel();
    CHECK(other.wait().outcome == JobOutcome::cancelled);
}

TEST_CASE("one thread adds while another collects") {
    Fleet fleet;
    Job job = fleet.scatterer->open("double", {.ordered = true});
    std::thread adding([&] { add_all(job, 100'000); });
    collect_all(job, 100'000);
    adding.join();
}

TEST_CASE("small jobs one after the other, on several threads") {
    Fleet fleet;
    std::vector<std::future<void>> users;
    for (int user = 0; user < 4; ++user)
        users.push_back(std::async(std::launch::async, [&] {
            for (int number = 0; number < 50; ++number) {
                Job job = fleet.scatterer->open("double", {.ordered = true});
                add_all(job, 10);
                collect_all(job, 10);
            }
        }));
    for (auto& user : users) user.get();
}

TEST_CASE("a fragment that was added leaves and is run, though nobody calls") {
    std::promise<void> ran;
    Embedded fleet({.slots = 1});
    fleet.function("tell", [&](std::uint64_t value) {
        ran.set_value();
        return value;
    });
    Job job = fleet.scatterer().open("tell");
    job.add(std::uint64_t{7});
    CHECK(ran.get_future().wait_for(20s) == std::future_status::ready);
    job.seal();
    CHECK(job.next()->as<std::uint64_t>() == 7);
}

TEST_CASE(
    "who adds everything first and collects later gets everything, with others asking meanwhile") {
    Fleet fleet;
    std::atomic<bool> done = false;
    std::thread asking([&] {
        while (!done) CHECK(fleet.scatterer->workers().size() == 1);
    });
    Job job = fleet.scatterer->open("double", {.ordered = true});
    add_all(job, 300'000);
    job.wait_accepted();
    collect_all(job, 300'000);
    done = true;
    asking.join();
}

TEST_CASE("a thread that waits for a job is not kept by another that runs jobs") {
    Fleet fleet;
    Job slow = fleet.scatterer->open("double", {.ordered = true});
    auto waiting = std::async(std::launch::async, [&] { return slow.next()->as<std::uint64_t>(); });
    for (int number = 0; number < 20; ++number) {
        Job job = fleet.scatterer->open("double", {.ordered = true});
        add_all(job, 10);
        collect_all(job, 10);
    }
    slow.add(std::uint64_t{21});
    CHECK(waiting.wait_for(20s) == std::future_status::ready);
    CHECK(waiting.get() == 42);
    CHECK_FALSE(slow.next_run(0ms));
    CHECK_FALSE(slow.next_run(3ms));
    slow.seal();
    CHECK(slow.wait().outcome == JobOutcome::complete);
}

TEST_CASE("a notice comes on the library's thread, and its function may call the job") {
    Embedded fleet({.slots = 1, .bind = "tcp://127.0.0.1:*"});  // a worker that offers it may join
    std::promise<std::thread::id> told;
    Job* noticed = nullptr;
    std::atomic<bool> once = false;
    Job job = fleet.scatterer().open("nobody has this", {.on_notice = [&](const std::string&) {
                                         if (once.exchange(true)) return;
                                         noticed->cancel("nobody offers it");
                                         told.set_value(std::this_thread::get_id());
                                     }});
    noticed = &job;
    add_all(job, 3);
    CHECK(job.wait().outcome == JobOutcome::cancelled);
    CHECK(told.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("the function for notices may destroy the scatterer and its job") {
    auto fleet =
        std::make_unique<Embedded>(EmbeddedOptions{.slots = 1, .bind = "tcp://127.0.0.1:*"});
    std::unique_ptr<Job> job;
    std::promise<void> assigned;
    std::promise<void> destroyed;
    auto held = std::make_shared<int>(7);
    std::weak_ptr<int> captured = held;
    job = std::make_unique<Job>(fleet->scatterer().open(
        "nobody has this", {.on_notice = [&, ready = assigned.get_future().share(),
                                          held = std::move(held)](const std::string&) {
            ready.wait();
            fleet.reset();
            CHECK_THROWS_AS((void)job->next(), FanfoldError);
            job.reset();
            CHECK(*held == 7);  // what it has captured lives as long as the call
            destroyed.set_value();
        }}));
    add_all(*job, 3);
    assigned.set_value();
    REQUIRE(destroyed.get_future().wait_for(20s) == std::future_status::ready);
    while (!captured.expired()) std::this_thread::yield();
}

TEST_CASE("a job that is let go of waits for its notices, and there are none after that") {
    Embedded fleet({.slots = 1, .bind = "tcp://127.0.0.1:*"});
    std::promise<void> begun;
    std::atomic<bool> over = false;
    auto held = std::make_shared<int>(7);
    std::weak_ptr<int> captured = held;
    {
        Job job = fleet.scatterer().open(
            "nobody has this", {.on_notice = [&, held = std::move(held)](const std::string&) {
                if (over) return;
                begun.set_value();
                fleet.scatterer().workers();
                over = true;
            }});
        add_all(job, 3);
        begun.get_future().wait();
    }
    CHECK(over);
    CHECK(captured.expired());
}

TEST_CASE("the end of the scatterer ends every wait with an error") {
    auto fleet = std::make_unique<Fleet>();
    Job job = fleet->scatterer->open("double");
    job.add(std::uint64_t{1});
    auto first = job.next();
    CHECK(first->as<std::uint64_t>() == 2);
    auto waiting =
        std::async(std::launch::async, [&] { CHECK_THROWS_AS((void)job.next(), FanfoldError); });
    fleet.reset();
    CHECK(waiting.wait_for(20s) == std::future_status::ready);
}
