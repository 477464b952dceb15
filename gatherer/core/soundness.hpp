// Whether what comes for a job can be meant, and what the log says of it. Pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gatherer/core/admission.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::gatherer {

/// Why the run can't be one of its job; empty when it can.
std::string flaw(const wire::Results& results, std::optional<std::uint64_t> total);

/// Whether the outputs are as long as the failures say, and each is of a fragment below `end`.
bool are_sound(const std::vector<wire::Failure>& failures, Index end, std::uint64_t outputs);

Note about(const wire::Results& results, Level level, const char* what);
Note about(const JobId& job, const wire::Failure& failure, const char* what);
/// For results that can't be meant.
Admission::Offence senseless(const wire::Results& results, const Sender& sender,
                             const std::string& why);

}  // namespace fanfold::gatherer
