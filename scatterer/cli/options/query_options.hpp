// The options of the verbs that ask a broker. One thread.
#pragma once

#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/options/option_set.hpp"

namespace fanfold::scatterer::cli {

void add_query(OptionSet& set, Verb verb, QueryOptions& query);
/// Throws UsageError for too few or too many jobs, and when there is nothing to set. What is to be
/// done with gatherers is taken out of the words.
void check_query(Verb verb, QueryOptions& query);

}  // namespace fanfold::scatterer::cli
