// What commands get of their worker's surroundings; that nothing which they leave behind stays;
// what their limits say.
#include "worker/guardian/containment.hpp"

#include <doctest/doctest.h>

#include <csignal>
#include <string>

#include "tests/support/commands_harness.hpp"
#include "worker/commands/command_values.hpp"

using namespace fanfold;
using namespace fanfold::worker;
using namespace fanfold::worker::testing;
using How = CommandEnd::How;

TEST_SUITE("containment of commands") {
    TEST_CASE("of the environment only what is harmless passes, and what is named") {
        Containment containment{.clean_environment = true, .kept_names = {"CUDA_HOME"}};
        for (const char* name : {"PATH", "HOME", "LC_ALL", "LANG", "TZ", "TMPDIR", "CUDA_HOME"})
            CHECK(passes_to_commands(containment, name));
        for (const char* name : {"SECRET", "PATHS", "LD_PRELOAD", "FANFOLD_BROKER", "CUDA_HOM"})
            CHECK_FALSE(passes_to_commands(containment, name));
        CHECK(passes_to_commands({}, "SECRET"));
    }

    TEST_CASE("a failure names the limits that its command had") {
        CommandLimits limits{.memory = 4096, .cpu = 2, .files = 9};
        CHECK(to_string(CommandLimits{}).empty());
        CHECK(to_string(limits) == "--limit-memory 4096, --limit-cpu 2s and --limit-files 9");
        CommandEnd end{
            .how = How::exited, .exit_code = 1, .out = {}, .err = "no memory\n", .message = {}};
        CHECK(failure_of(end, {}).message == "exit code 1: no memory");
        CHECK(failure_of(end, {.limits = {.files = 9}}).message ==
              "exit code 1: no memory; its worker's --limit-files 9 may be why");
        end = {.how = How::signaled, .signal = SIGXCPU, .out = {}, .err = {}, .message = {}};
        CHECK(failure_of(end, {.limits = limits}).message ==
              "killed by signal 24 (SIGXCPU), it used the 2s of the worker's --limit-cpu");
    }

    TEST_CASE(
        "a daemon is gone soon after the end of its command, and that of a running one stays") {
        Runs runs;
        const std::string left = unique_sleep();
        const std::string own = unique_sleep();
        Command slow = shell("setsid sh -c 'sleep " + own + " & sleep " + own +
                             "' >/dev/null 2>&1 & sleep 300");
        slow.id = 1;
        runs.runner().start(slow);
        CHECK(within_patience([&] { return count_with_argument(own) == 2; }));
        const CommandEnd end =
            runs.run(shell("(setsid sleep " + left + " >/dev/null 2>&1 &); echo done"));
        CHECK(end.out == "done\n");
        CHECK(within_patience([&] { return count_with_argument(left) == 0; }));
        CHECK(count_with_argument(own) == 2);
        CHECK(runs.calls(1) == 0);
        runs.runner().abort(1);
        CHECK(within_patience([&] { return count_with_argument(own) == 0; }));
    }

    TEST_CASE("a daemon that forks again and again is gone soon after the end of its command") {
        Runs runs;
        Command beside = command({"sleep", "300"});
        beside.id = 1;
        runs.runner().start(beside);
        const Lifeline marked;
        CHECK(runs.run(daemon_that_forks(marked)).how == How::exited);
        CHECK(within_patience([&] { return marked.let_go(); }));
        CHECK(runs.calls(1) == 0);
        runs.runner().abort(1);
        CHECK(runs.wait(1).how == How::aborted);

        // Without a mark, when nothing runs any more whose it could be.
        const Lifeline unmarked;
        CHECK(runs.run(daemon_that_forks(unmarked, "env -i")).how == How::exited);
        CHECK(within_patience([&] { return unmarked.let_go(); }));
    }

    TEST_CASE("a daemon that forks again and again does not outlive a timeout") {
        Runs runs;
        const Lifeline held;
        const std::string seconds = unique_sleep();
        Command slow = daemon_that_forks(held, "", "sleep " + seconds);
        slow.timeout = 1s;
        slow.id = 1;
        runs.runner().start(slow);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 1; }));
        CHECK(runs.wait(1).how == How::timed_out);
        CHECK(within_patience([&] { return held.let_go(); }));
    }
}
