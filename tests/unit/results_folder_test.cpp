// The results folder: parallel's layout, and names that can't lead out of it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "scatterer/cli/errors.hpp"
#include "scatterer/cli/results_folder.hpp"

using namespace fanfold::scatterer::cli;
namespace fs = std::filesystem;

namespace {

struct TemporaryFolder {
    fs::path path = fs::temp_directory_path() / ("fanfold-results-" + std::to_string(::getpid()));
    TemporaryFolder() { fs::remove_all(path); }
    ~TemporaryFolder() { fs::remove_all(path); }
};

std::string content(const fs::path& path) {
    std::ifstream file(path);
    REQUIRE(file);
    return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("names are escaped as parallel does") {
    using namespace std::string_literals;
    CHECK(folder_name("plain name", 1) == "plain name");
    CHECK(folder_name("a/b\tc\\d\0e"s, 1) == "a\\_b\\tc\\\\d\\0e");
    CHECK(folder_name("new\nline", 1) == "new\nline");
}

TEST_CASE("no value is a way out or a folder of none") {
    CHECK(folder_name("..", 1) == "\\.\\.");
    CHECK(folder_name(".", 1) == "\\.");
    CHECK(folder_name("", 1) == "\\");
    CHECK(folder_name("../..", 1) == "..\\_..");
    CHECK(folder_name("...", 1) == "...");
}

TEST_CASE("long names are cut and kept apart") {
    std::string value(600, 'a');
    CHECK(folder_name(value, 7).size() == 255);
    CHECK(folder_name(value, 7).ends_with("\\#7"));
    CHECK(folder_name(value, 7) != folder_name(value, 8));
    CHECK(folder_name(std::string(255, 'a'), 7) == std::string(255, 'a'));
}

TEST_CASE("stdout, stderr and seq of each fragment") {
    TemporaryFolder temporary;
    ResultsFolder folder(temporary.path / "deep" / "er/");
    folder.add({"a/b", "2"}, 1, {.out = "out", .err = "err"});
    folder.add({".."}, 2, {.out = "o", .err = ""});
    folder.add({}, 3, {.out = "piped", .err = ""});
    folder.add({"a/b", "2"}, 4, {.out = "", .err = ""});
    auto root = temporary.path / "deep" / "er";
    CHECK(content(root / "1" / "a\\_b" / "2" / "2" / "stdout").empty());
    CHECK(content(root / "1" / "a\\_b" / "2" / "2" / "seq") == "4");
    CHECK(content(root / "1" / "\\.\\." / "stdout") == "o");
    CHECK(content(root / "1" / "3" / "stdout") == "piped");
    CHECK_FALSE(fs::exists(temporary.path / "deep" / "stdout"));
}

TEST_CASE("a folder that can't be made is told by its name") {
    CHECK_THROWS_WITH_AS(ResultsFolder("/proc/none"), doctest::Contains("/proc/none"), SystemError);
    CHECK_THROWS_WITH_AS(ResultsFolder("/dev/null/x"), doctest::Contains("--results"), SystemError);
}
