// What a job log lists, for a map that is resumed; and the numbering of inputs that follows from
// it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/input/numbering.hpp"
#include "scatterer/cli/output/joblog.hpp"
#include "scatterer/cli/output/joblog_past.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;
using namespace std::string_literals;

namespace {

const std::string heading(joblog_heading);

/// A file that goes with the object.
struct File {
    explicit File(const std::string& text) { std::ofstream(path) << text; }
    ~File() { std::filesystem::remove(path); }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    std::string text() const {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string path = std::filesystem::temp_directory_path() /
                       ("fanfold-joblog-past-" + std::to_string(::getpid()));
};

struct Exit {
    std::string exit_value = "0";
    std::string signal = "0";
};
std::string line(std::uint64_t sequence, const std::string& command, Exit end = {}) {
    return std::to_string(sequence) + "\thost\t1795344121.499\t     1.592\t0\t5\t" +
           end.exit_value + '\t' + end.signal + '\t' + command + '\n';
}

template <class Call>
std::string error_of(Call&& call) {
    try {
        call();
    } catch (const SystemError& error) {
        return error.what();
    }
    return "(none)";
}

using Done = JoblogPast::Done;

}  // namespace

TEST_CASE("no file, an empty one, and a heading that was cut off list nothing") {
    JoblogPast none("/nowhere/at/all", Done::listed);
    CHECK(none.last() == 0);
    CHECK(none.bytes() == 0);
    CHECK_FALSE(none.done(1, "c"));
    for (const std::string& text : {""s, "Seq\tHo"s}) {
        File file(text);
        JoblogPast past(file.path, Done::listed);
        CHECK(past.last() == 0);
        CHECK(past.bytes() == 0);
    }
    File file(heading);
    CHECK(JoblogPast(file.path, Done::listed).bytes() == heading.size());
}

TEST_CASE("whatever is listed is done; or only what ended well") {
    File file(heading + line(3, "c 3") + line(1, "c 1", {"2", "0"}) + line(2, "c 2", {"0", "9"}) +
              line(7, "a\tb"));
    JoblogPast past(file.path, Done::listed);
    for (std::uint64_t sequence : {1, 2, 3})
        CHECK(past.done(sequence, "c " + std::to_string(sequence)));
    CHECK_FALSE(past.done(4, "c 4"));
    CHECK(past.done(7, "a\tb"));
    CHECK(past.last() == 7);
    JoblogPast good(file.path, Done::succeeded);
    CHECK_FALSE(good.done(1, "c 1"));
    CHECK_FALSE(good.done(2, "c 2"));
    CHECK(good.done(3, "c 3"));
}

TEST_CASE("a fragment that failed, and was run again to a good end, is done") {
    File file(heading + line(1, "c", {"1", "0"}) + line(1, "c"));
    CHECK(JoblogPast(file.path, Done::succeeded).done(1, "c"));
}

TEST_CASE("a last line that was cut off does not count, and is written over") {
    std::string whole = heading + line(1, "one");
    File file(whole + "2\thost\t17");
    JoblogPast past(file.path, Done::listed);
    CHECK(past.done(1, "one"));
    CHECK_FALSE(past.done(2, "two"));
    CHECK(past.bytes() == whole.size());
    std::string value = wire::pack_text("x");
    {
        Joblog log(file.path, past.bytes());
        log.add({.index = 1, .value = value}, "two");
        CHECK(file.text() == whole);  // not before the flush
        log.flush();
    }
    CHECK(file.text() == whole + joblog_line({.index = 1, .value = value}, "two"));
}

TEST_CASE("another command under the same Seq is an error that shows both") {
    File file(heading + line(2, "gzip a\0b"s));
    JoblogPast past(file.path, Done::listed);
    CHECK(past.done(2, "gzip a\nb"));  // as it was written
    CHECK(error_of([&] { past.done(2, "gzip b"); }) ==
          "Seq 2 of the job log " + file.path +
              " was run as 'gzip a\nb', now it is 'gzip b'; the command or the inputs are not the "
              "same: "
              "use another --joblog");
    CHECK(error_of([&] { past.check_total(1); }) ==
          "the job log " + file.path +
              " lists Seq 2, but the inputs end after 1; the inputs are not the same: use "
              "another --joblog");
    past.check_total(2);
}

TEST_CASE("a file that is no job log is refused, and the error tells why") {
    File foreign("some notes of mine\n");
    CHECK(error_of([&] {
              JoblogPast(foreign.path, Done::listed);
          }).find("is no job log: its first line is not Seq\tHost") != std::string::npos);
    File damaged(heading + line(1, "one") + "two\n" + line(3, "three"));
    CHECK(error_of([&] { JoblogPast(damaged.path, Done::listed); }) ==
          "line 3 of " + damaged.path + " is not a job log's; name another file with --joblog");
    CHECK(error_of([&] { JoblogPast("/", Done::listed); }).find("cannot read the job log /: ") ==
          0);
}

TEST_CASE("a command that GNU parallel has quoted in its way is the same command") {
    const std::string quoted = R"(echo 'it'"'"'s' 'a' ''; true)";
    File file(heading + line(1, quoted) + line(2, "echo 'x y'"));
    const JoblogPast past(file.path, Done::listed);
    CHECK(past.done(1, R"(echo 'it'\''s' a ''; true)"));
    CHECK(past.done(2, R"(echo x\ y)"));
    CHECK(error_of([&] { past.done(2, "echo x y"); }).find("the command or the inputs") !=
          std::string::npos);
    CHECK_THROWS(past.done(1, "echo it's a ''; true"));
    CHECK_THROWS(past.done(1, R"(echo 'it'\''s' a ''\; true)"));
}

TEST_CASE("a cancelled fragment has no line") {
    File file("");
    FragmentResult cancelled;
    cancelled.outcome = FragmentOutcome::cancelled;
    Joblog log(file.path);
    log.add({.index = 0, .failure = &cancelled}, "c");
    log.flush();
    CHECK(file.text() == heading);
}

TEST_CASE("fragments and inputs: consecutive where nothing is left out") {
    Numbering numbers;
    CHECK(numbers.input_of(3) == 3);
    std::uint64_t index = 0;
    for (std::uint64_t input : {0, 1, 4, 5, 9}) numbers.add(index++, input);
    std::vector<std::uint64_t> inputs;
    for (index = 0; index < 5; ++index) inputs.push_back(numbers.input_of(index));
    CHECK(inputs == std::vector<std::uint64_t>{0, 1, 4, 5, 9});
    CHECK(numbers.inputs_of({{0, 5}}) == Numbering::Ranges{{0, 2}, {4, 6}, {9, 10}});
    CHECK(numbers.inputs_of({{1, 3}, {4, 5}}) == Numbering::Ranges{{1, 2}, {4, 5}, {9, 10}});
    CHECK(numbers.inputs_of({}).empty());
}
