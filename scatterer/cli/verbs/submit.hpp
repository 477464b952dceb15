// The verb `submit`.
#pragma once

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/verbs/signal_watch.hpp"

namespace fanfold::scatterer::cli {

/// Scatters, and prints the job's id once all of it is accepted; returns the exit code.
int run_submit(const CommandLine& line, SignalWatch& signals, Console& console);

}  // namespace fanfold::scatterer::cli
