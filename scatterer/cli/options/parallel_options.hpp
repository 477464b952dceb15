// What Fanfold has for options of GNU parallel that it does not take by that name. Pure, any
// thread.
#pragma once

#include <string>

namespace fanfold::scatterer::cli {

/// "fanfold's is …" or "there is none, because …"; empty for what parallel does not have either.
std::string parallel_answer(const std::string& option);

}  // namespace fanfold::scatterer::cli
