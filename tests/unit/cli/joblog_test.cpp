// The job log's lines, in GNU parallel's columns.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/output/joblog.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;
using namespace std::chrono_literals;

namespace {

struct End {
    FragmentOutcome outcome;
    int exit_code = -1;
    int signal = 0;
};

/// From Exitval on.
std::string columns_of(End end) {
    FragmentResult failure;
    failure.outcome = end.outcome;
    failure.exit_code = end.exit_code;
    failure.signal = end.signal;
    std::string line = joblog_line({.index = 0, .failure = &failure, .worker = "w"}, "c");
    std::size_t at = line.find("\t0\t", line.find('.')) + 3;  // behind Send
    return line.substr(line.find('\t', at) + 1);
}

}  // namespace

TEST_CASE("a value's line") {
    std::string value = wire::pack_text("abcd");
    CHECK(joblog_line({.index = 6,
                       .value = value,
                       .worker = "host-1",
                       .started = 1795344121499123us,
                       .elapsed = 1592ms},
                      "wc -l a") == "7\thost-1\t1795344121.499\t     1.592\t0\t5\t0\t0\twc -l a\n");
    CHECK(joblog_line({.index = 0, .value = value}, "").starts_with("1\t:\t"));
}

TEST_CASE("a worker's name forges neither columns nor lines") {
    std::string line =
        joblog_line({.index = 0, .value = wire::pack_text(""), .worker = "w\n2\t:\t0\x1b[2J"}, "c");
    CHECK(line.starts_with("1\tw\\n2\\t:\\t0\\x1b[2J\t"));
    CHECK(std::count(line.begin(), line.end(), '\t') == 8);
    CHECK(std::count(line.begin(), line.end(), '\n') == 1);
}

TEST_CASE("Exitval and Signal of each end") {
    CHECK(columns_of({.outcome = FragmentOutcome::failed, .exit_code = 3}) == "3\t0\tc\n");
    CHECK(columns_of({.outcome = FragmentOutcome::failed, .signal = 9}) == "0\t9\tc\n");
    CHECK(columns_of({.outcome = FragmentOutcome::failed}) == "-1\t0\tc\n");
    CHECK(columns_of({.outcome = FragmentOutcome::timeout, .signal = 9}) == "-1\t15\tc\n");
    CHECK(columns_of({.outcome = FragmentOutcome::crashed}) == "-1\t0\tc\n");
    CHECK(columns_of({.outcome = FragmentOutcome::cancelled}) == "-1\t0\tc\n");
}

TEST_CASE("a newline in the command does not make two lines") {
    using namespace std::string_literals;
    CHECK(joblog_line({}, "a\nb").ends_with("\ta\0b\n"s));
}

TEST_CASE("the file has a heading and the lines") {
    auto path =
        std::filesystem::temp_directory_path() / ("fanfold-joblog-" + std::to_string(::getpid()));
    std::string value = wire::pack_text("x");
    {
        Joblog log(path);
        log.add({.index = 0, .value = value}, "one");
        log.flush();
        std::ifstream file(path);
        std::string all{std::istreambuf_iterator<char>(file), {}};
        CHECK(all ==
              std::string(joblog_heading) + joblog_line({.index = 0, .value = value}, "one"));
    }
    std::filesystem::remove(path);
    CHECK_THROWS_AS(Joblog("/nowhere/at/all"), SystemError);
}
