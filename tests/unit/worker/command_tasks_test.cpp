// Tasks made of commands, with real ones: payloads to standard input, ends to values and failures.
#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "shared/wire/codec.hpp"
#include "tests/support/executor_harness.hpp"
#include "worker/commands/command_values.hpp"
#include "worker/executor.hpp"

namespace fanfold::worker {

using namespace testing;

TEST_CASE("command values: payloads to standard input") {
    auto input = [](const std::string& payload) {
        auto result = input_of(Slice::copy(payload));
        return result ? std::string(result->view()) : "error: " + result.error().text;
    };
    CHECK(input(wire::pack_text("as it is\n")) == "as it is\n");
    CHECK(input(wire::pack_bytes(std::string("\0\xff", 2))) == std::string("\0\xff", 2));
    CHECK(input(packed(42)) == "42\n");
    CHECK(input(std::string("\xc0")) == "null\n");
    CHECK(input(packed(std::map<std::string, std::vector<int>>{{"a", {1, 2}}})) ==
          "{\"a\":[1,2]}\n");
    CHECK(input("\x91" + wire::pack_bytes("AB")) == "[[65,66]]\n");
    CHECK(input("\x91" + wire::pack_text("\xff")) == "[\"\xef\xbf\xbd\"]\n");
    CHECK(input(packed(std::map<int, int>{{1, 2}}))
              .starts_with("error: the payload can't be written as JSON"));
    CHECK(input(std::string(100'000, '\x91') + '\xc0')
              .starts_with("error: the payload can't be written as JSON: it is nested"));
}

TEST_CASE("command values: payloads of fanfold.exec") {
    auto argv = wire::pack_text("ls");
    auto good = exec_payload(Slice::copy("\x92\x91" + argv + wire::pack_bytes("in")));
    REQUIRE(good);
    CHECK(good->argv == std::vector<std::string>{"ls"});
    CHECK(good->input->view() == "in");
    CHECK_FALSE(exec_payload(Slice::copy("\x92\x91" + argv + "\xc0"))->input.has_value());
    CHECK_FALSE(exec_payload(Slice::copy(argv)).has_value());
    CHECK_FALSE(exec_payload(Slice::copy("\x91\x91" + argv)).has_value());
    CHECK_FALSE(exec_payload(Slice::copy("\x92\x90\xc0")).has_value());
    CHECK_FALSE(exec_payload(Slice::copy("\x92\x91\x01\xc0")).has_value());
    CHECK_FALSE(exec_payload(Slice::copy("\x92\x91" + argv + "\x01")).has_value());
    CHECK_FALSE(
        exec_payload(Slice::copy("\x92\x91" + wire::pack_text(std::string("a\0b", 3)) + "\xc0"))
            .has_value());
}

TEST_CASE("executors: declared commands") {
    FunctionTable table;
    table.add_command("count", "wc -w | tr -d ' \\n'");
    table.add_command(
        "where",
        "printf '%s %s %s %s' \"$FANFOLD_JOB\" $FANFOLD_INDEX $FANFOLD_ATTEMPT $EXTRA; pwd");
    table.add_command("bytes", "printf '\\377'");
    table.add_command("broken", "echo said; echo 'what went wrong' >&2; exit 3");
    table.add_command("killed", "kill -9 $$");
    table.add_command("slow", "sleep 100");
    table.add_command("big", "head -c 100000 /dev/zero");
    table.add_command("nap", "sleep $(cat)");
    table.add_command("check", "grep -q good");
    ExecutorStage stage(std::move(table));
    SUBCASE("values, one after the other") {
        stage.run("count", {wire::pack_text("one two"), packed(std::vector<int>{1, 2}),
                            wire::pack_bytes("a b c")});
        auto first = stage.next<Values>();
        CHECK(first.body.view() == wire::pack_text("2"));
        CHECK(first.count == 1);
        CHECK(first.started.count() > 0);
        CHECK(stage.next<Values>().body.view() == wire::pack_text("1"));
        auto last = stage.next<Values>();
        CHECK(last.first == 2);
        CHECK(last.body.view() == wire::pack_text("3"));
        stage.next<Finished>();
    }
    SUBCASE("a value does not wait for the next fragment of its task, which runs long") {
        auto task = stage.run("nap", {wire::pack_text("0"), wire::pack_text("100")});
        CHECK(stage.next<Values>().first == 0);
        stage.executors().stop(task);
        stage.next<Finished>();
    }
    SUBCASE("a value comes before the failure of the next fragment") {
        stage.run("check",
                  {wire::pack_text("good"), wire::pack_text("bad"), wire::pack_text("good")});
        CHECK(stage.next<Values>().first == 0);
        CHECK(stage.failure().index == 1);
        CHECK(stage.next<Values>().first == 2);
        stage.next<Finished>();
    }
    SUBCASE("output past what a pipe holds") {
        stage.run("big", {packed(0)}, {.owner = {}, .max_output = 1'000'000});
        CHECK(stage.next<Values>().body.view() == wire::pack_text(std::string(100'000, '\0')));
        stage.next<Finished>();
    }
    SUBCASE("the environment and the folder") {
        stage.run("where", {wire::pack_text("")},
                  {.owner = {}, .cwd = "/", .environment = {"EXTRA=more"}});
        CHECK(stage.values() == std::vector<std::string>{wire::pack_text(
                                    "00000000-0000-0000-0000-000000000000 0 3 more/\n")});
    }
    SUBCASE("output that is no text") {
        stage.run("bytes", {packed(0)});
        CHECK(stage.values() == std::vector<std::string>{wire::pack_bytes("\xff")});
    }
    SUBCASE("an exit code") {
        stage.run("broken", {packed(0)});
        auto failed = stage.next<Failed>();
        CHECK(failed.failure.kind == wire::FailureKind::failed);
        CHECK(failed.failure.exit_code == 3);
        CHECK(failed.failure.message == "exit code 3: what went wrong");
        CHECK(failed.output.view() == streams_value("said\n", "what went wrong\n"));
        stage.next<Finished>();
    }
    SUBCASE("a signal") {
        stage.run("killed", {packed(0)});
        auto failure = stage.failure();
        CHECK(failure.signal == 9);
        CHECK(failure.message == "killed by signal 9 (SIGKILL)");
        stage.next<Finished>();
    }
    SUBCASE("a timeout") {
        stage.run("slow", {packed(0)}, {.timeout = 50ms, .owner = {}});
        auto failure = stage.failure();
        CHECK(failure.kind == wire::FailureKind::timeout);
        CHECK(failure.message.starts_with(
            "took longer than its timeout of 50ms"));  // a shell may say more on stderr
        stage.next<Finished>();
    }
    SUBCASE("too much output") {
        stage.run("big", {packed(0)}, {.owner = {}, .max_output = 1000});
        CHECK(stage.failure().message ==
              "its output passed the limit of 1000 bytes; raise it with --max-output");
        stage.next<Finished>();
    }
    SUBCASE("a payload that can't be written fails alone") {
        stage.run("count", {packed(std::map<int, int>{{1, 2}}), wire::pack_text("one")});
        CHECK(stage.failure().index == 0);
        CHECK(stage.next<Values>().first == 1);
        stage.next<Finished>();
    }
    SUBCASE("stop") {
        auto task = stage.run("slow", {packed(0), packed(1)});
        stage.executors().stop(task);
        CHECK(stage.next<Finished>().task == task);
    }
    SUBCASE("the end of the executors") { stage.run("slow", {packed(0)}); }
}

TEST_CASE("executors: what a task has not begun of its commands is given up, and never runs") {
    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    std::string gate = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(pipe_ends[0]);
    FunctionTable table;
    table.add_command("wait", "head -c 1 " + gate);
    ExecutorStage stage(std::move(table));
    auto task = stage.run("wait", {packed(0), packed(1), packed(2), packed(3)});
    stage.executors().trim({.task = task, .from = 2});
    CHECK(stage.next<Trimmed>().range == Range{2, 4});
    stage.executors().trim({.task = task, .from = 0});
    CHECK(stage.next<Trimmed>().range == Range{1, 2});
    CHECK(write(pipe_ends[1], "abcd", 4) == 4);
    CHECK(stage.values() == std::vector<std::string>{wire::pack_text("a")});
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

TEST_CASE(
    "executors: values of short commands come while their task goes on, and its rest is trimmed") {
    int gate[2], begun[2];
    REQUIRE((pipe(gate) == 0 && pipe(begun) == 0));
    std::string folder = "/proc/" + std::to_string(getpid()) + "/fd/";
    FunctionTable table;
    table.add_command("wait", "cat; test $FANFOLD_INDEX -ne 20 || { echo >" + folder +
                                  std::to_string(begun[1]) + "; head -c 1 " + folder +
                                  std::to_string(gate[0]) + "; }");
    ExecutorStage stage(std::move(table));
    auto task = stage.run("wait", std::vector<std::string>(23, packed("x")));
    RangeSet done;
    while (done.size() < 20) {
        stage.executors().trim(
            {.task = task, .from = 1000});  // which also has the values delivered that wait
        Event event = stage.next_event();
        if (const auto* values = std::get_if<Values>(&event))
            done.add({values->first, values->first + values->count});
    }
    CHECK(done == RangeSet({{0, 20}}));
    pollfd begins{
        .fd = begun[0], .events = POLLIN, .revents = 0};  // before that it could be given up, too
    REQUIRE(poll(&begins, 1, static_cast<int>(std::chrono::milliseconds(patience).count())) == 1);
    RangeSet given_up;
    while (given_up.size() < 2) {
        stage.executors().trim({.task = task, .from = 0});
        Event event = stage.next_event();
        REQUIRE(std::holds_alternative<Trimmed>(event));
        given_up.add(std::get<Trimmed>(event).range);
    }
    CHECK(given_up == RangeSet({{21, 23}}));
    CHECK(write(gate[1], "a", 1) == 1);
    Event event = stage.next_event();
    while (std::holds_alternative<Trimmed>(event)) event = stage.next_event();
    CHECK(std::get<Values>(event).first == 20);
    stage.next<Finished>();
    for (int end : {gate[0], gate[1], begun[0], begun[1]}) close(end);
}

TEST_CASE("executors: command lines that come with the job") {
    FunctionTable table;
    table.allow_exec();
    ExecutorStage stage(std::move(table));
    auto payload = [](const std::vector<std::string>& argv, const std::string& input) {
        return "\x92" + packed(argv) + input;
    };
    stage.run("fanfold.exec", {payload({"cat"}, wire::pack_bytes("in")),
                               payload({"sh", "-c", "cat; echo err >&2"}, "\xc0"),
                               payload({"sh", "-c", "echo out; exit 4"}, "\xc0"),
                               payload({"no-such-program-here"}, "\xc0"), packed(1)});
    CHECK(stage.next<Values>().body.view() == streams_value("in", ""));
    CHECK(stage.next<Values>().body.view() == streams_value("", "err\n"));
    auto failed = stage.next<Failed>();
    CHECK(failed.failure.exit_code == 4);
    CHECK(failed.output.view() == streams_value("out\n", ""));
    CHECK(stage.failure().message.find("no-such-program-here") != std::string::npos);
    CHECK(stage.failure().message.find("fanfold.exec wants the payload") != std::string::npos);
    stage.next<Finished>();
}

}  // namespace fanfold::worker
