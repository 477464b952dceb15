// What commands get of their worker's surroundings; that nothing which they leave behind stays;
// what their limits say.
#include "worker/guardian/containment.hpp"

#include <doctest/doctest.h>

#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <string>

#include "tests/support/commands_harness.hpp"
#include "worker/commands/command_values.hpp"
#include "worker/guardian/cgroups.hpp"
#include "worker/guardian/own_process.hpp"

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

    TEST_CASE("where there are cgroups, a daemon without a mark is known by its own") {
        const auto cgroup = find_cgroup();
        if (!cgroup) {
            MESSAGE("left out: " << cgroup.error().text);
            return;
        }
        Runs runs(300ms, {.cgroup = *cgroup});
        Command beside = command({"sleep", "300"});
        beside.id = 1;
        runs.runner().start(beside);
        const Lifeline held;
        CHECK(runs.run(daemon_that_forks(held, "env -i")).how == How::exited);
        CHECK(within_patience([&] { return held.let_go(); }));
        const Lifeline stopped;
        Command slow = daemon_that_forks(stopped, "env -i", "sleep 300");
        slow.timeout = 1s;
        CHECK(runs.run(slow).how == How::timed_out);
        CHECK(within_patience([&] { return stopped.let_go(); }));
        CHECK(runs.calls(1) == 0);
        const auto any_left = [&] {
            const std::string mine = "fanfold-commands-" + std::to_string(::getpid()) + "-";
            for (const auto& entry : std::filesystem::directory_iterator(*cgroup))
                if (entry.path().filename().string().starts_with(mine)) return true;
            return false;
        };
        CHECK(any_left());
        runs.destroy();
        CHECK_FALSE(any_left());
    }

    TEST_CASE("a command that kills its guardian leaves nothing, though it bears no mark") {
        const Lifeline held;
        const pid_t worker = ::fork();
        REQUIRE(worker >= 0);
        if (worker == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            guardian::adopt_orphans();
            CommandRunner runner({.guardian = {},
                                  .containment = {.adopts_orphans = true},
                                  .on_end = [](CommandEnd) {}});
            Command killer =
                daemon_that_forks(held, "env -i", "sleep 0.5; kill -KILL $PPID; exec sleep 300");
            killer.id = 1;
            runner.start(killer);
            while (true) ::pause();
        }
        CHECK(within_patience([&] { return held.let_go(); }));
        CHECK(::waitpid(worker, nullptr, WNOHANG) == 0);
        ::kill(worker, SIGKILL);
        ::waitpid(worker, nullptr, 0);
    }

    TEST_CASE("a command that stops its guardian is killed by its timeout, as any other") {
        Runs runs;
        const Lifeline held;
        Command stopper = daemon_that_forks(held, "", "kill -STOP $PPID; exec sleep 300");
        stopper.timeout = 1s;
        CHECK(runs.run(stopper).how == How::timed_out);
        CHECK(within_patience([&] { return held.let_go(); }));
    }

    TEST_CASE("a command that stops its guardian and kills its worker dies with it") {
        const Lifeline held;
        const pid_t worker = ::fork();
        REQUIRE(worker >= 0);
        if (worker == 0) {
            CommandRunner runner({.guardian = {}, .on_end = [](CommandEnd) {}});
            Command stopper = daemon_that_forks(
                held, "",
                "kill -STOP $PPID; kill -KILL " + std::to_string(::getpid()) + "; exec sleep 300");
            stopper.id = 1;
            runner.start(stopper);
            while (true) ::pause();
        }
        CHECK(within_patience([&] { return held.let_go(); }));
        ::waitpid(worker, nullptr, 0);
    }
}
