// The options of the verbs map and submit. One thread.
#pragma once

#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/options/option_set.hpp"

namespace fanfold::scatterer::cli {

/// The options of the verb, which is map or submit.
void add_map(OptionSet& set, Verb verb, MapOptions& map);
/// Throws UsageError for options that contradict one another; what is left is carried out as it is.
void check_map(const CommandLine& line);

}  // namespace fanfold::scatterer::cli
