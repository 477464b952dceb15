// `fanfold map` and `fanfold submit`.
#pragma once

#include "scatterer/cli/output/console.hpp"
#include "scatterer/cli/verbs/options.hpp"
#include "scatterer/cli/verbs/signal_watch.hpp"

namespace fanfold::scatterer::cli {

/// Scatters, gathers and prints; returns the exit code. Reading inputs has a thread of its own.
int run_map(const CommandLine& line, SignalWatch& signals, Console& console);

/// Scatters, and prints the job's id once all of it is accepted.
int run_submit(const CommandLine& line, SignalWatch& signals, Console& console);

}  // namespace fanfold::scatterer::cli
