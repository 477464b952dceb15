// The verb `keygen`.
#pragma once

#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// Makes the files, and prints the line for the broker's file of allowed keys. Returns the exit
/// code; throws SystemError.
int run_keygen(const CommandLine& line);

}  // namespace fanfold::scatterer::cli
