// Results as text, tagged text and JSON lines, and values as JSON.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <limits>
#include <map>

#include "fanfold/value.hpp"
#include "scatterer/cli/output/json_text.hpp"
#include "scatterer/cli/output/printer.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;
using namespace std::chrono_literals;

namespace {

/// What was written to a pipe; small enough for its buffer.
class OutputPipe {
public:
    OutputPipe() {
        REQUIRE(::pipe2(ends_, O_CLOEXEC) == 0);
        REQUIRE(::fcntl(ends_[0], F_SETFL, O_NONBLOCK) == 0);
    }
    ~OutputPipe() {
        ::close(ends_[1]);
        close_reader();
    }
    int writer() const { return ends_[1]; }
    void close_reader() {
        if (ends_[0] >= 0) ::close(ends_[0]);
        ends_[0] = -1;
    }
    std::string text() {
        std::string all;
        char some[4096];
        for (ssize_t got; (got = ::read(ends_[0], some, sizeof some)) > 0;)
            all.append(some, static_cast<std::size_t>(got));
        return all;
    }

private:
    int ends_[2] = {-1, -1};
};

struct Printed {
    std::string out;
    std::string err;
};

Printed print(PrinterOptions options, const ResultRun& run, Label label = {}) {
    OutputPipe out, err;
    Output output(out.writer(), "a pipe");
    Console console(err.writer());
    Printer printer(options, output, console);
    if (label.tag || !label.command.empty())
        each_fragment(run, [&](const Fragment& fragment) { printer.print(fragment, label); });
    else printer.print(run);
    output.flush();
    return {out.text(), err.text()};
}

template <class T>
std::string packed(const T& value) {
    std::string bytes;
    append_packed(bytes, value);
    return bytes;
}

std::string streams(std::string_view out, std::string_view err) {
    std::string bytes;
    wire::append_array(bytes, 2);
    wire::append_bytes(bytes, out);
    wire::append_bytes(bytes, err);
    return bytes;
}

FragmentResult failure_of(std::uint64_t index, FragmentOutcome outcome,
                          const std::string& message = "") {
    FragmentResult failure;
    failure.index = index;
    failure.outcome = outcome;
    failure.message = message;
    return failure;
}

ResultRun failed(FragmentResult failure) {
    return {.first = failure.index, .count = 1, .values = {}, .failure = std::move(failure)};
}

std::string json_of(std::string_view object) {
    std::string json;
    append_json(json, object);
    return json;
}

}  // namespace

TEST_CASE("strings and bytes print raw, anything else as JSON") {
    std::string values = packed("a") + packed("") + packed(std::string(40, 'x')) +
                         wire::pack_bytes("\xff") + packed(7) +
                         packed(std::map<std::string, int>{{"k", 1}});
    CHECK(print({}, {.first = 0, .count = 6, .values = values}).out ==
          "a\n\n" + std::string(40, 'x') + "\n\xff\n7\n{\"k\":1}\n");
}

TEST_CASE("a newline follows each value that does not end in one, whatever its bytes are") {
    std::string values = packed("line\n") + packed(10) + packed(2570) +
                         packed(std::vector<int>{1, 10}) + packed("\n") + packed(5);
    CHECK(print({}, {.first = 0, .count = 6, .values = values}).out ==
          "line\n10\n2570\n[1,10]\n\n5\n");
}

TEST_CASE("a map's keys become strings, and keys within keys don't grow without bound") {
    CHECK(json_of(packed(std::map<int, int>{{1, 2}})) == R"({"1":2})");
    CHECK(json_of(packed(std::map<std::vector<int>, int>{{{1, 2}, 3}})) == R"({"[1,2]":3})");
    CHECK(json_of("\x81\x81\x01\x02\x03") == R"({"gQEC":3})");
    CHECK(json_of(std::string(60, '\x81') + std::string(61, '\x01')).size() < 200);
}

TEST_CASE("values that are cut off are an error, not a crash") {
    std::string values = packed("abc");
    ResultRun run{.first = 0, .count = 1, .values = std::string_view(values).substr(0, 2)};
    CHECK_THROWS_AS(print({}, run), FanfoldError);
    ResultRun too_few{.first = 0, .count = 2, .values = values};
    CHECK_THROWS_AS(print({}, too_few), FanfoldError);
    CHECK_THROWS_AS(print({.json = true}, too_few), FanfoldError);
}

TEST_CASE("a command's streams pass through as they are") {
    std::string values = streams("out\n", "err") + streams("", "") + streams("no end", "");
    auto printed = print({.commands = true}, {.first = 0, .count = 3, .values = values});
    CHECK(printed.out == "out\nno end");
    CHECK(printed.err == "err");
}

TEST_CASE("a tag stands before each line") {
    std::string tag = "in";
    std::string values = streams("1\n2\n", "e\nf");
    auto printed =
        print({.commands = true}, {.first = 0, .count = 1, .values = values}, {.tag = &tag});
    CHECK(printed.out == "in\t1\nin\t2\n");
    CHECK(printed.err == "in\te\nin\tf");
    std::string texts = packed("a\nb") + packed("");
    CHECK(print({}, {.first = 0, .count = 2, .values = texts}, {.tag = &tag}).out ==
          "in\ta\nin\tb\nin\t\n");
}

TEST_CASE("a failure prints what the command wrote, then one line") {
    FragmentResult failure = failure_of(3, FragmentOutcome::failed);
    failure.exit_code = 2;
    failure.output = streams("part\n", "oops\n");
    auto printed = print({.commands = true}, failed(failure), {.command = "grep x file"});
    CHECK(printed.out == "part\n");
    CHECK(printed.err == "oops\nfanfold: fragment 4 failed: exit code 2: grep x file\n");
    CHECK(print({.commands = true, .quiet = true}, failed(failure)).err == "oops\n");
    failure.message = "exit code 2: oops";  // the end of stderr, which was just passed on
    CHECK(print({.commands = true}, failed(failure)).err ==
          "oops\nfanfold: fragment 4 failed: exit code 2\n");
    failure.message = "its output passed the limit: raise it";
    CHECK(print({.commands = true}, failed(failure)).err ==
          "oops\nfanfold: fragment 4 failed: its output passed the limit: raise it\n");
}

TEST_CASE("each kind of failure has its words") {
    auto line = [](FragmentResult failure) { return print({}, failed(std::move(failure))).err; };
    FragmentResult killed = failure_of(0, FragmentOutcome::failed);
    killed.signal = 9;
    CHECK(line(killed) == "fanfold: fragment 1 failed: killed by signal 9\n");
    CHECK(line(failure_of(1, FragmentOutcome::timeout, "took longer than 1s")) ==
          "fanfold: fragment 2 timed out: took longer than 1s\n");
    CHECK(line(failure_of(2, FragmentOutcome::crashed, "two\nlines\n")) ==
          "fanfold: fragment 3 crashed: two lines\n");
    CHECK(line(failure_of(4, FragmentOutcome::cancelled)).empty());
}

TEST_CASE("JSON lines") {
    std::string values = packed("a") + packed(std::vector<int>{1, 2});
    auto printed = print({.json = true}, {.first = 5,
                                          .count = 2,
                                          .values = values,
                                          .failure = {},
                                          .worker = "w",
                                          .attempt = 2,
                                          .elapsed = 3ms});
    CHECK(printed.out ==
          "{\"index\":5,\"seq\":6,\"outcome\":\"value\",\"value\":\"a\",\"attempt\":2,\"worker\":"
          "\"w\","
          "\"seconds\":0.001500}\n"
          "{\"index\":6,\"seq\":7,\"outcome\":\"value\",\"value\":[1,2],\"attempt\":2,\"worker\":"
          "\"w\","
          "\"seconds\":0.001500}\n");
    std::string command = streams("o", "e");
    CHECK(print({.commands = true, .json = true}, {.first = 0, .count = 1, .values = command})
              .out.find(R"("value":{"stdout":"o","stderr":"e"})") != std::string::npos);
    FragmentResult failure = failure_of(1, FragmentOutcome::failed, "bad");
    failure.exit_code = 3;
    failure.output = command;
    failure.worker = "w";
    auto json = print({.commands = true, .json = true}, failed(failure));
    CHECK(json.out ==
          "{\"index\":1,\"seq\":2,\"outcome\":\"failed\",\"error\":\"bad\",\"exit_code\":3,"
          "\"stdout\":\"o\","
          "\"stderr\":\"e\",\"attempt\":1,"
          "\"worker\":\"w\",\"seconds\":0.000000}\n");
    CHECK(json.err.empty());
}

TEST_CASE("JSON has words for what it lacks") {
    CHECK(json_of(packed(std::numeric_limits<double>::quiet_NaN())) == "null");
    CHECK(json_of(packed(-std::numeric_limits<double>::infinity())) == "null");
    CHECK(json_of(packed(0.5)) == "0.5");
    CHECK(json_of(packed(-3)) == "-3");
    CHECK(json_of(packed(UINT64_MAX)) == "18446744073709551615");
    CHECK(json_of(wire::pack_bytes("\xff\x01")) == R"({"base64":"/wE="})");
    CHECK(json_of(wire::pack_bytes("plain")) == R"("plain")");
    CHECK(json_of(packed(std::map<int, bool>{{1, true}})) == R"({"1":true})");
    CHECK(json_of(packed("\"\\\n\x01\xc3\xa4\xff")) ==
          "\"\\\"\\\\\\n\\u0001\xc3\xa4\xef\xbf\xbd\"");
    CHECK(json_of(packed("\xed\xa0\x80")) == "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    CHECK(json_of(packed("\x1b[2J\x7f \u009b \u202e \U000e0041 世")) ==
          R"("\u001b[2J\u007f \u009b \u202e \udb40\udc41 世")");
    CHECK(without_steering("{\"a\":\"\x7f\u202e世\"}") == R"({"a":"\u007f\u202e世"})");
    CHECK(json_of(std::string(100, '\x91') + '\xc0').starts_with(R"({"base64":)"));
}

TEST_CASE("a reader that is gone closes the output quietly; a full disk does not") {
    OutputPipe pipe;
    pipe.close_reader();
    Output output(pipe.writer(), "a pipe");
    auto before = ::signal(SIGPIPE, SIG_IGN);
    output.append("x");
    output.flush();
    CHECK(output.closed());
    output.append("y");
    output.flush();
    ::signal(SIGPIPE, before);
    int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    REQUIRE(full >= 0);
    Output disk(full, "the disk");
    disk.append("x");
    CHECK_THROWS_WITH(disk.flush(),
                      "cannot write the results to the disk: No space left on device");
    ::close(full);
}
