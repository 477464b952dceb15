// How much a peer may name of itself or of a job: it is kept for long, and told in reports. Pure
// functions.
#pragma once

#include <string>

#include "shared/wire/messages.hpp"

namespace fanfold::broker {

/// What is named there: too many labels or resources, or texts that are too long. Empty when it is
/// not so.
std::string why_too_much(const wire::Hello& hello);
std::string why_too_much(const wire::JobSpec& spec);

}  // namespace fanfold::broker
