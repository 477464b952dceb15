// What the built-in function fanfold.sleep is asked for. A pure function, any thread.
#pragma once

#include <string_view>

#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"

namespace fanfold::worker {

/// Seconds, from a number or a text that holds one.
Result<Duration> sleep_time(std::string_view payload);

}  // namespace fanfold::worker
