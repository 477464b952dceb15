// A child of fork() has none of its parent's threads: whatever the parent had made says so there.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "fanfold/embedded.hpp"

using namespace fanfold;
using namespace std::chrono_literals;

namespace {

/// Whether a child's function returns true, in time.
bool true_in_child(const std::function<bool()>& function) {
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) _exit(function() ? 0 : 1);
    const auto until = std::chrono::steady_clock::now() + 60s;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (std::chrono::steady_clock::now() > until) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            return false;
        }
        std::this_thread::yield();
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool refuses(const std::function<void()>& call) {
    try {
        call();
        return false;
    } catch (const FanfoldError& error) {
        return std::string(error.what()).find("fork()") != std::string::npos;
    }
}

}  // namespace

TEST_CASE("a fleet, its scatterer and its jobs are of no use in a forked child, and say so") {
    auto fleet = std::make_unique<Embedded>(EmbeddedOptions{.slots = 1});
    fleet->function("double", [](int number) { return 2 * number; });
    Scatterer& scatterer = fleet->scatterer();
    std::optional<Job> job = scatterer.open("double");
    job->add(1);
    CHECK(true_in_child([&] {
        return refuses([&] { job->add(2); }) && refuses([&] { (void)job->next(); }) &&
               refuses([&] { (void)job->wait_for(0ms); }) && refuses([&] { job->cancel(); }) &&
               refuses([&] { (void)scatterer.workers(); }) &&
               refuses([&] { (void)scatterer.open("double"); }) &&
               refuses([&] { (void)fleet->scatterer(); }) &&
               refuses([&] { (void)fleet->close(0ms); });
    }));
    CHECK(true_in_child([&] {
        job.reset();
        fleet.reset();
        return true;
    }));
    job->seal();
    CHECK(job->next()->as<int>() == 2);
    CHECK(job->wait().outcome == JobOutcome::complete);
}

TEST_CASE("a Scatterer that was moved from says so") {
    Embedded fleet({.slots = 1});
    Scatterer other = std::move(fleet.scatterer());
    CHECK_THROWS_WITH_AS((void)fleet.scatterer().workers(), doctest::Contains("was moved from"),
                         FanfoldError);
    CHECK(other.workers().size() == 1);
}
