// The words of a command line, read into plain values. Options end at the first word that is none,
// as POSIX has it: what follows belongs to COMMAND or names jobs. One thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// A command line to carry out, or (--help, --version) a text to print.
struct Parsed {
    std::optional<CommandLine> command;
    std::string text;
};

/// `words` without the program's name; `environment_broker` is $FANFOLD_BROKER. Throws UsageError.
Parsed parse_command_line(const std::vector<std::string>& words,
                          const std::string& environment_broker);

}  // namespace fanfold::scatterer::cli
