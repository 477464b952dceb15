// How many failures a job tolerates, and what a worker does about each. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/wire/wire_types.hpp"

namespace fanfold::wire {

/// So many failures may be; one more ends the job. Nothing while it is not known: failures are not
/// limited, or are a share of a total that is not known.
std::optional<std::uint64_t> tolerated(const JobSpec& spec, std::optional<std::uint64_t> total);

/// Whether a worker that sees such an attempt fail for good begins nothing more of the job before
/// the broker has heard of it. Not where failures are expected: each costs a round trip.
bool pauses_at_failure(const JobSpec& spec, std::uint32_t attempt);

}  // namespace fanfold::wire
