// Which of several words a mistyped one may mean. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fanfold::scatterer::cli {

/// The word that is nearest by letters put in, left out, changed or swapped: one for every three
/// letters at most. Empty: none is near, or two are as near.
std::string nearest(std::string_view word, const std::vector<std::string>& words);

}  // namespace fanfold::scatterer::cli
