// What a peer may say of itself or of a job: how much, for it is kept for long and told in reports,
// and what makes sense. Pure functions.
#pragma once

#include <string>

#include "shared/wire/messages.hpp"

namespace fanfold::broker {

/// What is named there: too many labels or resources, or texts that are too long. Empty when it is
/// not so.
std::string why_too_much(const wire::Hello& hello);
std::string why_too_much(const wire::JobSpec& spec);

/// A number that no job can have, or two wishes that no job can have both. Empty when it is not so.
std::string why_senseless(const wire::JobSpec& spec);

}  // namespace fanfold::broker
