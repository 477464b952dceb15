// Options that several verbs take. One thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "scatterer/cli/options/command_line.hpp"
#include "scatterer/cli/options/option_set.hpp"

namespace fanfold::scatterer::cli {

/// --broker, --keys and logging, which every verb takes.
void add_common(OptionSet& set, CommonOptions& common);
/// Throws UsageError when the verb needs a broker and there is none, or $FANFOLD_BROKER names none.
void check_broker(const CommandLine& line);

/// --priority, --weight, --max-running: `take` is called with each as it comes.
void add_share(OptionSet& set, const std::function<void(const JobChange&)>& take);
/// --output: json, or the `plain` form, which is text.
void add_output(OptionSet& set, const char* plain, Format& format);

/// Throws UsageError unless the text is one of those accepted.
void choose(const char* option, const std::string& text, const std::vector<std::string>& accepted);

}  // namespace fanfold::scatterer::cli
