// The verbs that ask a broker: jobs, status, wait, results, cancel, workers, gatherers,
// functions.
#pragma once

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// Returns the exit code. A signal ends the program at once: nothing of the fleet's is touched.
int run_query(const CommandLine& line, Console& console);

}  // namespace fanfold::scatterer::cli
