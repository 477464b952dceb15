// The public Worker and the signals of its process. No broker answers: a worker that is told to
// leave has nothing to finish.
#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>

#include "fanfold/worker.hpp"
#include "tests/support/process_state.hpp"

using namespace fanfold;
using fanfold::testing::Handler, fanfold::testing::handler_of, fanfold::testing::is_blocked;
using namespace std::chrono_literals;

namespace {

constexpr auto signal_patience = 60s;

WorkerOptions options() {
    return {.broker = "tcp://127.0.0.1:9", .name = "w", .log_level = "off", .keys = ""};
}

/// Once another than this handler takes the signal: that would end the test.
bool send_when_taken(int signal, Handler before) {
    for (auto until = std::chrono::steady_clock::now() + signal_patience;
         handler_of(signal) == before;) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::yield();
    }
    return kill(getpid(), signal) == 0;
}

std::atomic<int> taken_here{0};

}  // namespace

TEST_CASE("a worker on a thread drains at SIGTERM, and leaves the signal as it was") {
    const Handler before = handler_of(SIGTERM);
    Worker worker(options());
    auto returned = std::async(std::launch::async, [&] {
        worker.run();
        return !is_blocked(SIGTERM);
    });
    CHECK(send_when_taken(SIGTERM, before));
    bool in_time = returned.wait_for(signal_patience) == std::future_status::ready;
    CHECK(in_time);
    if (!in_time) worker.stop();
    CHECK(returned.get());
    CHECK((handler_of(SIGTERM) == before));
}

TEST_CASE("a worker on the calling thread drains at SIGTERM, and leaves the signal as it was") {
    const Handler before = handler_of(SIGTERM);
    Worker worker(options());
    auto sent = std::async(std::launch::async, [&] {
        if (send_when_taken(SIGTERM, before)) return true;
        worker.stop();
        return false;
    });
    worker.run();
    CHECK(sent.get());
    CHECK_FALSE(is_blocked(SIGTERM));
    CHECK_FALSE(is_blocked(SIGINT));
    CHECK((handler_of(SIGTERM) == before));
}

TEST_CASE("a worker that does not handle signals leaves them to its program") {
    auto set = options();
    set.handle_signals = false;
    Worker worker(set);
    const Handler before = signal(SIGTERM, [](int) { ++taken_here; });
    auto returned = std::async(std::launch::async, [&] { worker.run(); });
    kill(getpid(), SIGTERM);
    while (taken_here == 0) std::this_thread::yield();
    worker.stop();
    returned.get();
    CHECK(taken_here == 1);
    signal(SIGTERM, before);
}

TEST_CASE("a worker with more slots than there may be is refused at once") {
    auto set = options();
    set.slots = 4097;
    CHECK_THROWS_WITH_AS(Worker{set}, doctest::Contains("4096"), std::invalid_argument);
}
