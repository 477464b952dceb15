// Where the guardian program is. Any thread.
#pragma once

#include <string>

namespace fanfold::worker {

/// $FANFOLD_GUARDIAN, or `fanfold-guardian` beside this program, or where it was installed or
/// built. An empty string when there is none.
std::string find_guardian();

}  // namespace fanfold::worker
