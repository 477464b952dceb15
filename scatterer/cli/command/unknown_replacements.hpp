// What looks like a replacement string of a command and is none. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scatterer/cli/command/shell_quoting.hpp"

namespace fanfold::scatterer::cli {

/// For the end of an error. `names` are those of columns.
std::string those_there_are(bool plus, const std::vector<std::string>& names);

/// What stands between { and } where GNU parallel would replace it: {..} {+/} {= =} {1..}. Not
/// {1..3}, which some shells expand.
bool looks_replaceable(std::string_view inner);

/// The first {name} of a literal that stands in no quotes, and is no ${name} and no @{name}; empty
/// when there is none. `before` has read what stands before the literal.
std::string_view bare_name(std::string_view literal, const ShellScanner& before);

}  // namespace fanfold::scatterer::cli
