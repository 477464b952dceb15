// `fanfold doctor`: tries, from this host, each port of the fleet that a role needs. The main
// thread.
#pragma once

#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// Prints a line for each port, reached or not. The exit code: good, or that of an error when one
/// is not reached.
int run_doctor(const CommandLine& line);

}  // namespace fanfold::scatterer::cli
