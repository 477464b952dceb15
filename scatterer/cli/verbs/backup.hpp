// The verbs `backup` and `restore`: the states of a broker and a gatherer of this host.
#pragma once

#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// Copies what is in the folder of the state, while the daemons run, and prints what. Returns the
/// exit code; throws SystemError, StartupError.
int run_backup(const CommandLine& line);
/// Puts a copy in the place of what is lost. Throws likewise, also where something is in the way.
int run_restore(const CommandLine& line);

}  // namespace fanfold::scatterer::cli
