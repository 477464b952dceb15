// Real shells, the strange templates that a seed makes, and values that mean ill: a template is
// refused, or its values reach the command as they are and are never executed.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "scatterer/cli/command/template.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;
namespace fs = std::filesystem;

namespace {

const std::string first_mark = "VALUE<", last_mark = ">VALUE";

/// A folder in which a line finds two commands and nothing else: `show` keeps its arguments, and
/// `pwned` shows that a value was executed.
class Sandbox {
public:
    Sandbox() {
        std::string path = (fs::temp_directory_path() / "fanfold-quoting-XXXXXX").string();
        REQUIRE(::mkdtemp(path.data()) != nullptr);
        folder_ = path;
        fs::create_directories(folder_ / "bin");
        fs::create_directories(folder_ / "work");
        write("show", R"(printf '%s\0' "$@" >>"$SHOWN")");
        write("pwned", ": >'" + path + "/executed'");
    }
    ~Sandbox() { fs::remove_all(folder_); }
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    void run(const std::string& shell, const std::string& line) {
        // A file of each line's own: what an earlier one started may still write.
        shown_ = folder_ / ("shown" + std::to_string(++lines_));
        std::vector<std::string> words{shell, "-c", line};
        if (shell.ends_with("bash")) words.insert(words.begin() + 1, "--posix");
        std::vector<char*> raw;
        raw.reserve(words.size() + 1);
        for (std::string& word : words) raw.push_back(word.data());
        raw.push_back(nullptr);
        std::string path = "PATH=" + (folder_ / "bin").string();
        std::string shown = "SHOWN=" + shown_.string();
        std::array<char*, 3> environment{path.data(), shown.data(), nullptr};
        posix_spawn_file_actions_t actions;
        REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
        for (int fd : {0, 1, 2})
            ::posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
        ::posix_spawn_file_actions_addchdir_np(&actions, (folder_ / "work").c_str());
        pid_t pid = 0;
        REQUIRE(::posix_spawn(&pid, shell.c_str(), &actions, nullptr, raw.data(),
                              environment.data()) == 0);
        ::posix_spawn_file_actions_destroy(&actions);
        REQUIRE(::waitpid(pid, nullptr, 0) == pid);
    }
    bool has_executed() const { return fs::exists(folder_ / "executed"); }
    std::string shown() const {
        std::ifstream file(shown_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

private:
    void write(const std::string& name, const std::string& line) {
        std::ofstream(folder_ / "bin" / name) << "#!/bin/sh\n" << line << '\n';
        fs::permissions(folder_ / "bin" / name, fs::perms::owner_all);
    }
    fs::path folder_, shown_;
    int lines_ = 0;
};

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

const std::vector<std::string>& hostile_values() {
    static const std::vector<std::string> values = [] {
        std::vector<std::string> all{"\npwned\n",     "';pwned;'",      "$(pwned)",
                                     "`pwned`",       "\";pwned;\"",    ")\npwned\n",
                                     "}\npwned;",     "\nEOF\npwned\n", "'\npwned\n'\n",
                                     "\"\npwned\n\"", "\\\npwned\n"};
        for (std::string& value : all) value = first_mark + value + last_mark;
        return all;
    }();
    return values;
}

std::vector<std::string> shells() {
    std::vector<std::string> found;
    for (const char* shell : {"/bin/dash", "/bin/bash"})
        if (fs::exists(shell)) found.emplace_back(shell);
    return found;
}

/// Whether the template is accepted; then its values are filled in and run.
bool is_taken(Sandbox& sandbox, const std::string& text) {
    auto made = Template::make({text});
    if (!made) return false;
    if (!made->uses_shell()) return true;  // no shell reads it
    for (const std::string& value : hostile_values()) {
        const std::string line = made->argv(std::vector<std::string>{value}, 1).value().back();
        for (const std::string& shell : shells()) {
            sandbox.run(shell, line);
            INFO(shell, " reads the template ", text, " filled in as ", line);
            REQUIRE_FALSE(sandbox.has_executed());
            REQUIRE(count(sandbox.shown(), first_mark) == count(sandbox.shown(), value));
        }
    }
    return true;
}

}  // namespace

TEST_CASE("templates in which values were executed") {
    Sandbox sandbox;
    const char* refused[] = {"echo hi \\\n# {}", "echo \"$\\\n(echo '{}')\"", "show $[ {} ]",
                             "show $[ 1 ] '{}'", "show $((' {} "};
    for (const char* text : refused) {
        INFO(text);
        CHECK_FALSE(is_taken(sandbox, text));
    }
    const char* taken[] = {"show $(show)#'\n{}'",     "show `show`#'\n{}'",
                           "show \"$(show)\"#'\n{}'", "show \\\n {}",
                           "show '#'#'\n{}'",         "(show)\n{}",
                           "show $(show {} # )\n)",   "show \"\\\n#\"'\n{}'"};
    for (const char* text : taken) {
        INFO(text);
        CHECK(is_taken(sandbox, text));
    }
}

// $FANFOLD_QUOTING_TEMPLATES of them, for longer runs.
TEST_CASE("templates of any characters") {
    const std::vector<std::string> parts{
        "show", "show", "show ", " ",  " ",   "\n", "\\",  "\\\n", "$",   "(",     ")",
        "((",   "))",   "{}",    "{}", "{}",  "\"", "'",   "`",    "#",   ";",     "&&",
        "|",    "<",    "<<",    "[",  "]",   "$(", "$((", "${x}", "${x", "${x:-", "}",
        "{ ",   "case", " in ",  ";;", "EOF", "=",  "1",   "x",    "!",   "[[ ",   "esac"};
    const char* wanted = std::getenv("FANFOLD_QUOTING_TEMPLATES");
    const int templates = wanted ? std::atoi(wanted) : 100;
    Sandbox sandbox;
    std::mt19937 chance(static_cast<unsigned>(templates));
    int taken = 0;
    for (int i = 0; i < templates; ++i) {
        std::string text = "show ";
        for (auto left = 1 + chance() % 12; left > 0; --left)
            text += parts[chance() % parts.size()];
        text += chance() % 2 == 0 ? "{}" : "";
        taken += is_taken(sandbox, text) ? 1 : 0;
    }
    CHECK(taken > templates / 20);
}
