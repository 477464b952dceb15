// The options of `map` and `submit` that say what the inputs are, and what becomes of one. One
// thread.
#pragma once

#include "scatterer/cli/options/option_set.hpp"

namespace fanfold::scatterer::cli {

void add_inputs(OptionSet& set, MapOptions& map);
void add_commands(OptionSet& set, MapOptions& map);

}  // namespace fanfold::scatterer::cli
