// SIGINT and SIGTERM for a part of a program.
#include <doctest/doctest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "shared/program/caught_signals.hpp"
#include "tests/support/process_state.hpp"

using namespace fanfold;
using fanfold::testing::Handler, fanfold::testing::handler_of, fanfold::testing::is_blocked;

namespace {

bool comes(CaughtSignals& signals) {
    pollfd item{signals.fd(), POLLIN, 0};
    while (poll(&item, 1, 20'000) < 0) {
    }
    return item.revents != 0 && signals.read() != 0;
}

}  // namespace

TEST_CASE("signals are heard on any thread, each of them, and everything is then as before") {
    const Handler term = handler_of(SIGTERM);
    const Handler interrupt = handler_of(SIGINT);
    {
        std::optional<CaughtSignals> signals;
        // The process's first thread, which is this one, blocks nothing.
        std::thread([&] {
            signals.emplace();
            kill(getpid(), SIGTERM);
            CHECK(comes(*signals));
            CHECK(is_blocked(SIGTERM));
            signals.reset();
            CHECK_FALSE(is_blocked(SIGTERM));
        }).join();
    }
    CHECK((handler_of(SIGTERM) == term));
    CHECK((handler_of(SIGINT) == interrupt));
    CHECK_FALSE(is_blocked(SIGINT));
}

TEST_CASE("several hear of every signal, though all other threads block it") {
    CaughtSignals first;
    std::optional<CaughtSignals> second;
    second.emplace();
    kill(getpid(), SIGINT);
    CHECK(comes(first));
    CHECK(comes(*second));
    second.reset();
    kill(getpid(), SIGINT);
    CHECK(comes(first));
    CHECK(first.read() == 0);
}

TEST_CASE("a signal that the process ignores stays ignored") {
    const Handler before = signal(SIGINT, SIG_IGN);
    {
        CaughtSignals signals;
        kill(getpid(), SIGINT);
        kill(getpid(), SIGTERM);
        CHECK(comes(signals));
        CHECK(signals.read() == 0);
    }
    CHECK((handler_of(SIGINT) == SIG_IGN));
    signal(SIGINT, before);
}
