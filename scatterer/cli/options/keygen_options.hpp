// The options of the verb keygen. One thread.
#pragma once

#include <string>
#include <vector>

#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/options/option_set.hpp"

namespace fanfold::scatterer::cli {

void add_keygen(OptionSet& set, KeygenOptions& keygen);
/// Throws UsageError for words behind the options, without a folder, and for options that
/// contradict one another.
void check_keygen(const CommandLine& line, const std::vector<std::string>& rest);

}  // namespace fanfold::scatterer::cli
