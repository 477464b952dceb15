// An embedded fleet whose handlers run past their timeout, and its end while handlers run.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "fanfold/embedded.hpp"
#include "scatterer/api/embedded_host.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 60s;

/// A door that handlers wait at until the test opens it.
struct Door {
    std::promise<void> opens;
    std::shared_future<void> open = opens.get_future().share();
};

/// What a call on another thread returns; a test that waits for ever fails instead.
template <class Call>
auto in_time(Call call) {
    auto returned = std::async(std::launch::async, std::move(call));
    if (returned.wait_for(patience) != std::future_status::ready) {
        MESSAGE("a call did not return in time");
        std::quick_exit(1);
    }
    return returned.get();
}

std::vector<FragmentResult> all_results(Job& job) {
    return in_time([&] {
        std::vector<FragmentResult> results;
        while (auto result = job.next()) results.push_back(*std::move(result));
        return results;
    });
}

}  // namespace

TEST_CASE("embedded: a handler that overran leaves its slot to the next fragments") {
    Door door;
    Embedded fleet({.slots = 1});
    fleet.function("slow", [open = door.open](int number) {
        if (number == 0) open.wait();
        return number;
    });
    Job job = fleet.scatterer().scatter("slow", std::vector<int>{0, 1, 2},
                                        {.timeout = 100ms, .ordered = true});
    auto results = all_results(job);
    REQUIRE(results.size() == 3);
    CHECK(results[0].outcome == FragmentOutcome::timeout);
    CHECK(results[1].as<int>() == 1);
    CHECK(results[2].as<int>() == 2);
    Job next = fleet.scatterer().scatter("slow", std::vector<int>{3});
    CHECK(all_results(next).front().as<int>() == 3);
    door.opens.set_value();
}

TEST_CASE("embedded: once all threads are held by handlers that overran, fragments end saying so") {
    Door door;
    Embedded fleet({.slots = 2});
    fleet.function("stuck", [open = door.open](int number) {
        open.wait();
        return number;
    });
    fleet.function("quick", [](int number) { return number; });
    Job job = fleet.scatterer().scatter("stuck", std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7},
                                        {.timeout = 100ms});
    std::size_t timeouts = 0;
    for (const auto& result : all_results(job)) {
        CHECK_FALSE(result.ok());
        if (result.outcome == FragmentOutcome::timeout) ++timeouts;
        else CHECK(result.message.find("'stuck'") != std::string::npos);
    }
    CHECK(timeouts == 4);
    Job other = fleet.scatterer().scatter("quick", std::vector<int>{1});
    auto refused = all_results(other);
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].message.find("'stuck'") != std::string::npos);

    door.opens.set_value();  // and the fleet is as before
    auto served = in_time([&] {
        while (true) {
            Job again = fleet.scatterer().scatter("quick", std::vector<int>{7});
            if (auto result = again.next(); result->ok()) return result->as<int>();
        }
    });
    CHECK(served == 7);
}

TEST_CASE("embedded: its destructor waits for handlers, which see that they are cancelled") {
    Door door;
    std::promise<void> entered;
    std::promise<void> cancelled;
    std::atomic<bool> left = false;
    auto fleet = std::make_unique<Embedded>(EmbeddedOptions{.slots = 1});
    fleet->function("long", [&](Context& context, int number) {
        entered.set_value();
        while (!context.cancelled()) std::this_thread::yield();
        cancelled.set_value();
        door.open.wait();
        left = true;
        return number;
    });
    Job job = fleet->scatterer().scatter("long", std::vector<int>{1});
    entered.get_future().wait();
    auto ended = std::async(std::launch::async, [&] { fleet.reset(); });
    CHECK(cancelled.get_future().wait_for(patience) == std::future_status::ready);
    CHECK(ended.wait_for(3s) == std::future_status::timeout);  // elsewhere a worker waits for 2 s
    CHECK_FALSE(left);
    door.opens.set_value();
    in_time([&] { ended.get(); });
    CHECK(left);
}

TEST_CASE("embedded: close() waits as long as it is told, and says whether all handlers are done") {
    Door door;
    std::promise<void> entered;
    Embedded fleet({.slots = 2});
    fleet.function("long", [&](int number) {
        entered.set_value();
        door.open.wait();
        return number;
    });
    Scatterer& scatterer = fleet.scatterer();
    Job job = scatterer.scatter("long", std::vector<int>{1});
    entered.get_future().wait();
    CHECK_FALSE(in_time([&] { return fleet.close(0ms); }));
    CHECK_THROWS_AS((void)in_time([&] { return job.next(); }), FanfoldError);
    CHECK_THROWS_AS((void)scatterer.workers(), FanfoldError);
    CHECK_THROWS_WITH_AS((void)fleet.scatterer(), doctest::Contains("was closed"), FanfoldError);
    CHECK_FALSE(fleet.close(10ms));
    door.opens.set_value();
    CHECK(in_time([&] { return fleet.close(std::chrono::milliseconds::max()); }));
    CHECK(fleet.close(0ms));
}

TEST_CASE("embedded: what close() leaves behind, the destructor does not wait for") {
    auto door = std::make_shared<Door>();
    auto left = std::make_shared<std::promise<void>>();
    std::promise<void> entered;
    auto fleet = std::make_unique<Embedded>(EmbeddedOptions{.slots = 1});
    fleet->function("long", [door, left, &entered](int number) {
        entered.set_value();
        door->open.wait();
        left->set_value();
        return number;
    });
    Job job = fleet->scatterer().scatter("long", std::vector<int>{1});
    entered.get_future().wait();
    CHECK_FALSE(fleet->close(0ms));
    in_time([&] { fleet.reset(); });
    door->opens.set_value();
    CHECK(left->get_future().wait_for(patience) == std::future_status::ready);
}

TEST_CASE("embedded: a fleet that was not started is closed at once") {
    Embedded fleet;
    CHECK(fleet.close(0ms));
    CHECK_THROWS_AS((void)fleet.scatterer(), FanfoldError);
}

namespace {

// Sanitizers look at memory through pipes of their own.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool can_do_without_descriptors = false;
#else
constexpr bool can_do_without_descriptors = true;
#endif

/// No further descriptor is to be had while it lives.
class NoDescriptors {
public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        int lowest = dup(STDERR_FILENO);
        close(lowest);
        rlimit none = before_;
        none.rlim_cur = static_cast<rlim_t>(lowest);
        setrlimit(RLIMIT_NOFILE, &none);
    }
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("embedded: a worker that breaks ends the jobs of its fleet" *
          doctest::skip(!can_do_without_descriptors)) {
    Door door;
    Embedded fleet({.slots = 1});
    fleet.function("late", [open = door.open](int number) {
        open.wait();
        return number;
    });
    Job job = fleet.scatterer().scatter("late", std::vector<int>{1, 2});
    job.wait_accepted();
    std::string why;
    {
        NoDescriptors none;  // so that the worker can't connect to the gatherer
        door.opens.set_value();
        why = in_time([&] {
            try {
                while (job.next()) {
                }
            } catch (const FanfoldError& error) {
                return std::string(error.what());
            }
            return std::string();
        });
    }
    CHECK(why.find("the fleet's worker has ended") != std::string::npos);
    CHECK_THROWS_WITH_AS((void)fleet.scatterer().workers(),
                         doctest::Contains("the fleet's worker has ended"), FanfoldError);
}

TEST_CASE("embedded: a host tells how its component has ended") {
    struct Shell {};
    std::promise<std::string> told;
    EmbeddedHost<Shell> host({.make = [] { return std::make_unique<Shell>(); },
                              .run = [](Shell&) { throw std::runtime_error("broken"); },
                              .on_error = [&](const std::string& why) { told.set_value(why); }});
    CHECK(told.get_future().get() == "broken");
    host.join();
    CHECK_THROWS_WITH_AS(EmbeddedHost<Shell>({.make = []() -> std::unique_ptr<Shell> {
                                                  throw std::runtime_error("not made");
                                              },
                                              .run = {},
                                              .on_error = {}}),
                         "not made", std::runtime_error);
}
