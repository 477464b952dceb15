// The command line as a test writes it: what it means, or how it is refused.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/options/parse.hpp"

namespace fanfold::scatterer::cli {

using Words = std::vector<std::string>;

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline CommandLine parsed(const Words& words, const std::string& environment = "") {
    auto result = parse_command_line(words, environment);
    REQUIRE(result.command);
    return *result.command;
}

inline std::string refusal(const Words& words, const std::string& environment = "") {
    try {
        parse_command_line(words, environment);
    } catch (const UsageError& error) {
        return error.what();
    }
    return "(accepted)";
}

}  // namespace fanfold::scatterer::cli
