// The results folder: parallel's layout, and names that can't lead out of it.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/output/results_folder.hpp"

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

TEST_CASE("a cut name is that of no other value") {
    // The cut comes within the escape of a backslash, or behind it.
    for (std::size_t length = 240; length < 260; ++length) {
        std::string value = std::string(length, 'a') + std::string(40, '\\');
        std::string name = folder_name(value, 7);
        CHECK(name.size() <= 255);
        CHECK(name.ends_with("\\#7"));
        std::size_t before = name.find_last_not_of('\\', name.size() - 3);
        CHECK((name.size() - 2 - before) % 2 == 0);  // whole escapes, and the backslash of the end
    }
}

TEST_CASE("values that differ have folders that differ") {
    const std::string alphabet("a.\\/_#t0\t\0", 10);
    std::set<std::string> names;
    std::size_t values = 0;
    auto add = [&](const std::string& value) {
        ++values;
        std::string name = folder_name(value, 1);
        CHECK(name.find('/') == std::string::npos);
        CHECK(name.find('\0') == std::string::npos);
        names.insert(name);
    };
    add("");
    for (char a : alphabet) {
        add({a});
        for (char b : alphabet) {
            add({a, b});
            for (char c : alphabet) {
                add({a, b, c});
                for (char d : alphabet) add({a, b, c, d});
            }
        }
    }
    CHECK(names.size() == values);
    CHECK_FALSE(names.contains("."));
    CHECK_FALSE(names.contains(".."));
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

TEST_CASE("a link in the place of a file is replaced, what it names stays as it is") {
    TemporaryFolder temporary;
    fs::path results = temporary.path / "results";
    ResultsFolder folder(results);
    folder.add({"x"}, 1, {.out = "first", .err = ""});
    fs::path elsewhere = temporary.path / "elsewhere";
    std::ofstream(elsewhere) << "precious";
    fs::path out = results / "1" / "x" / "stdout";
    SUBCASE("a symbolic link") {
        fs::remove(out);
        fs::create_symlink(elsewhere, out);
    }
    SUBCASE("a hard link") {
        fs::remove(out);
        fs::create_hard_link(elsewhere, out);
    }
    SUBCASE("a link to nothing") {
        fs::remove(out);
        fs::create_symlink(temporary.path / "to-be-made", out);
    }
    SUBCASE("a pipe that nobody reads") {
        fs::remove(out);
        REQUIRE(::mkfifo(out.c_str(), 0600) == 0);
    }
    folder.add({"x"}, 2, {.out = "second", .err = ""});
    CHECK(content(elsewhere) == "precious");
    CHECK_FALSE(fs::exists(temporary.path / "to-be-made"));
    CHECK(fs::symlink_status(out).type() == fs::file_type::regular);
    CHECK(content(out) == "second");
}

TEST_CASE("a link in the place of a folder is an error, and nothing is written behind it") {
    TemporaryFolder temporary;
    fs::path elsewhere = temporary.path / "elsewhere";
    fs::path results = temporary.path / "results";
    fs::create_directories(elsewhere);
    ResultsFolder folder(results);
    fs::create_directory_symlink(elsewhere, results / "1" / "x");
    CHECK_THROWS_WITH_AS(folder.add({"x"}, 1, {.out = "out", .err = ""}),
                         doctest::Contains("results/1/x"), SystemError);
    CHECK(fs::is_empty(elsewhere));
    // The folder itself is where its user wants it.
    fs::create_directory_symlink(elsewhere, temporary.path / "link");
    ResultsFolder(temporary.path / "link").add({"y"}, 1, {.out = "out", .err = ""});
    CHECK(content(elsewhere / "1" / "y" / "stdout") == "out");
}

TEST_CASE("many long values: the path may be longer than the system takes in one piece") {
    TemporaryFolder temporary;
    ResultsFolder folder(temporary.path);
    std::vector<std::string> values(20, std::string(250, '/'));
    folder.add(values, 1, {.out = "out", .err = ""});
    std::uintmax_t files = 0;
    int root = ::open(temporary.path.c_str(), O_RDONLY | O_DIRECTORY);
    for (std::size_t i = 0; i < values.size(); ++i)
        for (const std::string& name : {std::to_string(i + 1), folder_name(values[i], 1)}) {
            int next = ::openat(root, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
            REQUIRE(next >= 0);
            ::close(root);
            root = next;
        }
    for (const char* name : {"stdout", "stderr", "seq"})
        files += ::faccessat(root, name, R_OK, 0) == 0 ? 1 : 0;
    ::close(root);
    CHECK(files == 3);
}

TEST_CASE("a folder that can't be made is told by its name") {
    CHECK_THROWS_WITH_AS(ResultsFolder("/proc/none"), doctest::Contains("/proc/none"), SystemError);
    CHECK_THROWS_WITH_AS(ResultsFolder("/dev/null/x"), doctest::Contains("--results"), SystemError);
}
