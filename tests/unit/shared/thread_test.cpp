// Threads of a library.
#include <doctest/doctest.h>
#include <pthread.h>
#include <signal.h>

#include "shared/base/thread.hpp"
#include "tests/support/process_state.hpp"

using namespace fanfold;

TEST_CASE("a thread takes no signal, and its parent takes those that it took") {
    sigset_t before;
    sigset_t within;
    sigset_t after;
    pthread_sigmask(SIG_SETMASK, nullptr, &before);
    auto thread = start_thread([&] { pthread_sigmask(SIG_SETMASK, nullptr, &within); });
    REQUIRE(thread);
    thread->join();
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    CHECK(sigismember(&within, SIGTERM) == 1);
    CHECK(sigismember(&before, SIGTERM) == 0);
    CHECK(sigismember(&after, SIGTERM) == 0);
}

TEST_CASE("a system that gives no thread is an error that names the limits") {
    const testing::NoThreads none;
    auto thread = start_thread([] {});
    REQUIRE_FALSE(thread);
    CHECK(thread.error().text.find("ulimit -u") != std::string::npos);
}
