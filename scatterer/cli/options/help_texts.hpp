// The texts of --help that are not options: usage lines, what a verb is for, and examples.
#pragma once

#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

struct HelpText {
    const char* usage;
    const char* purpose;
    const char* examples;
    /// What is to be said of an option that there is none of, if anything.
    std::string (*explain_unknown)(const std::string& option) = nullptr;
};

const HelpText& program_help();
const HelpText& help_of(Verb verb);

}  // namespace fanfold::scatterer::cli
