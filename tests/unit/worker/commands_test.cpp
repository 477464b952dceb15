// Command lines run through the real guardian program, which FANFOLD_GUARDIAN names or the build
// knows.
#include "worker/commands/command_runner.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "shared/base/result.hpp"
#include "tests/support/commands_harness.hpp"

using namespace fanfold;
using namespace fanfold::worker;
using namespace fanfold::worker::testing;
using How = CommandEnd::How;

TEST_SUITE("commands") {
    TEST_CASE("a command's output, error output and exit code come back") {
        Runs runs;
        const CommandEnd end = runs.run(shell("echo out; echo err >&2; exit 7"));
        CHECK(end.how == How::exited);
        CHECK(end.exit_code == 7);
        CHECK(end.out == "out\n");
        CHECK(end.err == "err\n");
        CHECK(end.started > 0us);
        CHECK(end.elapsed > 0us);
        CHECK(runs.run(command({"true"})).exit_code == 0);
        CHECK(runs.run(command({"sleep", "0.15"})).elapsed >= 150ms);
    }

    TEST_CASE("a signal that ends a command is named") {
        Runs runs;
        const CommandEnd end = runs.run(shell("kill -9 $$"));
        CHECK(end.how == How::signaled);
        CHECK(end.signal == SIGKILL);
        CHECK(end.message.find("signal 9") != std::string::npos);
    }

    TEST_CASE("what can't be started says why") {
        Runs runs;
        const CommandEnd missing = runs.run(command({"no-such-program-here"}));
        CHECK(missing.how == How::not_started);
        CHECK(missing.message == "cannot run no-such-program-here: not found in PATH");
        CHECK(missing.trouble == wire::TroubleKind::command);
        CHECK(runs.run(shell("no-such-program-here")).trouble == wire::TroubleKind::command);
        CHECK_FALSE(runs.run(shell("exit 1")).trouble.has_value());
        const CommandEnd plain = runs.run(command({"/etc/passwd"}));
        CHECK(plain.how == How::not_started);
        CHECK(plain.message.find("/etc/passwd: permission denied") != std::string::npos);
        Command elsewhere = command({"true"});
        elsewhere.cwd = "/no/such/folder";
        const CommandEnd homeless = runs.run(elsewhere);
        CHECK(homeless.how == How::not_started);
        CHECK(homeless.message == "cannot enter folder /no/such/folder: No such file or directory");
        CHECK(runs.run(command({})).how == How::not_started);
        CHECK(runs.run(command({"echo", std::string("a\0b", 3)})).message.find("zero byte") !=
              std::string::npos);
        const CommandEnd too_long = runs.run(command({"true", std::string(300'000, 'x')}));
        CHECK(too_long.how == How::not_started);
        CHECK_FALSE(too_long.trouble.has_value());
        CHECK(too_long.message.find("too long") != std::string::npos);
        CHECK(runs.run(command({"true"})).how == How::exited);
    }

    TEST_CASE("arguments, environment and folder reach the command") {
        Runs runs;
        Command asked =
            command({"sh", "-c", "pwd; echo \"$FANFOLD_JOB|$1|$HOME\"", "sh", "a  b'c\n"});
        asked.cwd = "/usr";
        asked.environment = {"FANFOLD_JOB=one", "FANFOLD_JOB=two", "HOME=/elsewhere"};
        CHECK(runs.run(asked).out == "/usr\ntwo|a  b'c\n|/elsewhere\n");
        CHECK(runs.run(command({"cat"})).out.empty());
        Command lost = command({"sleep", "0"});
        lost.environment = {"PATH=/no/such/folder"};
        CHECK(runs.run(lost).how == How::not_started);
        CHECK(runs.run(command({"sleep", "0"})).how == How::exited);
    }

    TEST_CASE("a command starts clean: own group, default signals, three descriptors") {
        ::signal(SIGUSR1, SIG_IGN);
        Runs runs;
        CHECK(runs.run(shell("ls /proc/self/fd | wc -l")).out ==
              "4\n");  // one is that of ls on the folder
        // The C library keeps signals 32 and 33 for itself and leaves them ignored in whatever it
        // spawns.
        constexpr std::uint64_t library_signals = std::uint64_t{3} << 31;
        for (const char* line : {"SigBlk", "SigIgn"}) {
            const std::string mask =
                runs.run(command({"sed", "-n", "s/" + std::string(line) + ":\t//p",
                                  "/proc/self/status"}))
                    .out;
            REQUIRE(mask.size() == 17);
            CHECK((std::stoull(mask, nullptr, 16) & ~library_signals) == 0);
        }
        CHECK(runs.run(shell("test $(cut -d' ' -f5 /proc/$$/stat) = $$")).exit_code == 0);
        ::signal(SIGUSR1, SIG_DFL);
    }

    TEST_CASE("a script without an interpreter line is run by the shell") {
        const std::string folder = std::filesystem::temp_directory_path() /
                                   ("fanfold-script-" + std::to_string(::getpid()));
        std::filesystem::create_directory(folder);
        std::ofstream(folder + "/fanfold-plain-script") << "echo \"got $1\"\n";
        ::chmod((folder + "/fanfold-plain-script").c_str(), 0755);
        Runs runs;
        CHECK(runs.run(command({folder + "/fanfold-plain-script", "x"})).out == "got x\n");
        Command by_path = command({"fanfold-plain-script", "y"});
        by_path.environment = {"PATH=" + folder + ":/bin:/usr/bin"};
        CHECK(runs.run(by_path).out == "got y\n");
        std::filesystem::remove_all(folder);
    }

    TEST_CASE("arguments of a megabyte and more pass") {
        Runs runs;
        Command big = command({"sh", "-c", "echo $#", "sh"});
        for (int at = 0; at < 15; ++at) big.argv.push_back(std::string(100'000, 'x'));
        CHECK(runs.run(big).out == "15\n");
    }

    TEST_CASE("five megabytes through cat come back as they were") {
        Runs runs;
        const std::string bytes = pattern(5'000'000);
        Command cat = command({"cat"});
        cat.input = Slice::copy(bytes);
        const CommandEnd end = runs.run(cat);
        CHECK(end.exit_code == 0);
        CHECK((end.out == bytes));
    }

    TEST_CASE("a command that does not read its input is no error") {
        Runs runs;
        Command deaf = command({"true"});
        deaf.input = Slice::copy(pattern(5'000'000));
        CHECK(runs.run(deaf).exit_code == 0);
        Command picky = command({"head", "-c", "3"});
        picky.input = Slice::copy("abc" + pattern(5'000'000));
        CHECK(runs.run(picky).out == "abc");
        Command none = command({"wc", "-c"});
        none.input = Slice{};
        CHECK(runs.run(none).out == "0\n");
    }

    TEST_CASE("twenty megabytes of output on both streams") {
        Runs runs;
        const CommandEnd end =
            runs.run(shell("head -c 20000000 /dev/zero & head -c 20000000 /dev/zero >&2; wait"));
        CHECK(end.how == How::exited);
        CHECK(end.out.size() == 20'000'000);
        CHECK(end.err.size() == 20'000'000);
    }

    TEST_CASE("too much output ends a command") {
        Runs runs;
        Command endless = command({"yes"});
        endless.max_output = 100'000;
        const CommandEnd end = runs.run(endless);
        CHECK(end.how == How::over_limit);
        CHECK(end.out.size() == 100'000);
        CHECK(end.message.find("100000 bytes") != std::string::npos);
        Command on_err = shell("yes >&2");
        on_err.max_output = 10;
        CHECK(runs.run(on_err).how == How::over_limit);
        Command exact = command({"printf", "1234567890"});
        exact.max_output = 10;
        CHECK(runs.run(exact).how == How::exited);
    }

    TEST_CASE("a timeout kills the children too") {
        Runs runs;
        const std::string seconds = unique_sleep();
        Command slow = shell("echo begun; sleep " + seconds + " & sleep " + seconds);
        slow.timeout = 500ms;
        const CommandEnd end = runs.run(slow);
        CHECK(end.how == How::timed_out);
        CHECK(end.out == "begun\n");
        CHECK(end.elapsed >=
              300ms);  // counted from its start, the timeout from the moment it was asked for
        CHECK(end.elapsed < 5s);
        CHECK(count_with_argument(seconds) == 0);
    }

    TEST_CASE("a timeout kills children that fled into sessions of their own, orphans among them") {
        Runs runs;
        const std::string seconds = unique_sleep();
        const std::string fled = "setsid sh -c 'trap \"\" TERM; sleep " + seconds + "; :'";
        Command slow = shell(fled + " & (" + fled + " &) ; sleep " + seconds);
        slow.timeout = 1s;
        slow.id = 1;
        runs.runner().start(slow);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 3; }));
        CHECK(runs.wait(1).how == How::timed_out);
        CHECK(count_with_argument(seconds) == 0);
    }

    TEST_CASE("a command that ignores SIGTERM is killed after the grace") {
        Runs runs(200ms);
        const std::string seconds = unique_sleep();
        Command stubborn = shell("trap '' TERM; while :; do sleep " + seconds + "; done");
        stubborn.timeout = 500ms;
        const CommandEnd end = runs.run(stubborn);
        CHECK(end.how == How::timed_out);
        CHECK(end.signal == SIGKILL);
        CHECK(end.elapsed >= 500ms);
        CHECK(count_with_argument(seconds) == 0);
    }

    TEST_CASE("a command may clean up within the grace") {
        Runs runs(10s);
        Command tidy =
            shell("trap 'echo tidy; exit 3' TERM; echo ready; while :; do sleep 0.01; done");
        tidy.timeout = 1s;
        const CommandEnd end = runs.run(tidy);
        CHECK(end.how == How::timed_out);
        CHECK(end.exit_code == 3);
        CHECK(end.out == "ready\ntidy\n");
        CHECK(end.elapsed < 5s);
    }

    TEST_CASE("abort ends one command and leaves the others") {
        Runs runs;
        const std::string seconds = unique_sleep();
        Command first = command({"sleep", seconds});
        first.id = 1;
        Command second = command({"sleep", "0.5"});
        second.id = 2;
        runs.runner().start(first);
        runs.runner().start(second);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 1; }));
        runs.runner().abort(1);
        runs.runner().abort(1);
        runs.runner().abort(99);
        CHECK(runs.wait(1).how == How::aborted);
        CHECK(runs.wait(2).how == How::exited);
        CHECK(count_with_argument(seconds) == 0);
        Command at_once = command({"sleep", seconds});
        at_once.id = 3;
        runs.runner().start(at_once);
        runs.runner().abort(3);
        CHECK(runs.wait(3).how == How::aborted);
        CHECK(runs.calls(1) == 1);
    }

    TEST_CASE("five hundred commands, four at a time, started from on_end") {
        std::mutex mutex;
        std::condition_variable done;
        std::map<std::uint64_t, std::string> outputs;
        std::uint64_t next = 1;
        std::unique_ptr<CommandRunner> runner;
        const auto start_next = [&] {
            if (next > 500) return;
            Command echo = command({"echo", std::to_string(next)});
            echo.id = next++;
            runner->start(echo);
        };
        runner = std::make_unique<CommandRunner>(
            CommandRunner::Options{.guardian = {}, .on_end = [&](CommandEnd end) {
                                       const std::lock_guard lock(mutex);
                                       outputs[end.id] += end.out;
                                       start_next();
                                       if (outputs.size() == 500) done.notify_all();
                                   }});
        std::unique_lock lock(mutex);
        for (int at = 0; at < 4; ++at) start_next();
        REQUIRE(done.wait_for(lock, command_patience, [&] { return outputs.size() == 500; }));
        for (const auto& [id, output] : outputs) CHECK(output == std::to_string(id) + "\n");
    }

    TEST_CASE(
        "a background child that holds stdout delays the end by a second at most, and is then "
        "killed") {
        Runs runs;
        const std::string seconds = unique_sleep();
        const auto begin = std::chrono::steady_clock::now();
        const CommandEnd end =
            runs.run(shell("sleep " + seconds + " & echo parent; (sleep 0.01; echo late) &"));
        CHECK(end.how == How::exited);
        CHECK(end.out == "parent\nlate\n");
        CHECK(std::chrono::steady_clock::now() - begin < 5s);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 0; }));
    }

    TEST_CASE("a destroyed runner ends every command once, as aborted, and leaves none") {
        Runs runs(10s);
        const std::string seconds = unique_sleep();
        for (std::uint64_t id = 1; id <= 3; ++id) {
            Command slow =
                shell("trap '' TERM; echo here; setsid sleep " + seconds + " & sleep " + seconds);
            slow.id = id;
            runs.runner().start(slow);
        }
        CHECK(within_patience([&] { return count_with_argument(seconds) == 6; }));
        runs.destroy();
        for (std::uint64_t id = 1; id <= 3; ++id) {
            CHECK(runs.calls(id) == 1);
            CHECK(runs.wait(id).how == How::aborted);
            CHECK(runs.wait(id).out == "here\n");
        }
        CHECK(count_with_argument(seconds) == 0);
    }

    TEST_CASE("a killed guardian takes its commands with it, and another one serves the next") {
        Runs runs;
        const std::string seconds = unique_sleep();
        Command slow = shell("setsid sleep " + seconds + " & sleep " + seconds);
        slow.id = 1;
        runs.runner().start(slow);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 2; }));
        const pid_t guardian = guardian_pid();
        REQUIRE(guardian > 0);
        ::kill(guardian, SIGKILL);
        const CommandEnd end = runs.wait(1);
        CHECK(end.how == How::signaled);
        CHECK(end.message.find("guardian") != std::string::npos);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 0; }));
        CHECK(runs.run(command({"echo", "again"})).out == "again\n");
        CHECK(guardian_pid() != guardian);
        CHECK(runs.calls(1) == 1);
    }

    TEST_CASE("the guardian is deaf to a terminal's signals and sits in its own session") {
        Runs runs;
        const pid_t guardian = guardian_pid();
        REQUIRE(guardian > 0);
        CHECK(::getsid(guardian) == guardian);
        for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::kill(guardian, number);
        CHECK(runs.run(command({"echo", "well"})).out == "well\n");
        CHECK(guardian_pid() == guardian);
    }

    TEST_CASE("when the worker dies by SIGKILL its commands die with it") {
        const std::string seconds = unique_sleep();
        const pid_t worker = ::fork();
        REQUIRE(worker >= 0);
        if (worker == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            CommandRunner runner({.guardian = {}, .on_end = [](CommandEnd) {}});
            Command slow = shell("trap '' TERM HUP; setsid sleep " + seconds + " & (sleep " +
                                 seconds + " &); sleep " + seconds);
            slow.id = 1;
            runner.start(slow);
            while (true) ::pause();
        }
        CHECK(within_patience([&] { return count_with_argument(seconds) == 3; }));
        ::kill(worker, SIGKILL);
        ::waitpid(worker, nullptr, 0);
        CHECK(within_patience([&] { return count_with_argument(seconds) == 0; }));
    }

    TEST_CASE("a guardian that is none is refused") {
        const auto make = [](const std::string& guardian) {
            CommandRunner runner({.guardian = guardian, .on_end = [](CommandEnd) {}});
        };
        CHECK_THROWS_WITH_AS(make("/no/such/guardian"),
                             doctest::Contains("/no/such/guardian: No such file"), StartupError);
        CHECK_THROWS_WITH_AS(make("/bin/true"), doctest::Contains("does not answer"), StartupError);
    }
}
