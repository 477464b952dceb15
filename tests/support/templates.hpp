// A command's template as a test fills it in, and what a real shell makes of that.
#pragma once

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "scatterer/cli/command/template.hpp"
#include "tests/support/command_line.hpp"

namespace fanfold::scatterer::cli {

inline Template made(const Words& words, TemplateOptions options = {}) {
    Result<Template> command = Template::make(words, options);
    if (!command) FAIL(command.error().text);
    return *command;
}

inline Words argv(const Words& words, const Words& values, TemplateOptions options = {}) {
    Result<Words> filled = made(words, options).argv(values, 1);
    if (!filled) FAIL(filled.error().text);
    return *filled;
}

inline std::string template_error(const Words& words, TemplateOptions options = {}) {
    Result<Template> command = Template::make(words, options);
    return command ? "" : command.error().text;
}

/// What a real shell, or the program itself, prints.
inline std::string output_of(const Words& command) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::vector<char*> raw;
    for (const std::string& word : command) raw.push_back(const_cast<char*>(word.c_str()));
    raw.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
    REQUIRE(::posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0);
    pid_t child = 0;
    REQUIRE(::posix_spawnp(&child, raw[0], &actions, nullptr, raw.data(), environ) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    std::string output;
    std::array<char, 4096> buffer;
    for (long count; (count = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
        output.append(buffer.data(), static_cast<std::size_t>(count));
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
    return output;
}

}  // namespace fanfold::scatterer::cli
