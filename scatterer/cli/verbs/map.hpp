// The verb `map`.
#pragma once

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/verbs/signal_watch.hpp"

namespace fanfold::scatterer::cli {

/// Scatters, gathers and prints; returns the exit code. Reading inputs has a thread of its own.
int run_map(const CommandLine& line, SignalWatch& signals, Console& console);

}  // namespace fanfold::scatterer::cli
