// Small things about text that the worker's parts have in common. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shared/wire/messages.hpp"

namespace fanfold::worker {

/// The last `most` bytes at most, without the line ends at its end, begun at a character.
std::string_view tail(std::string_view text, std::size_t most);

/// What the failure of an attempt that took too long says.
std::string timeout_text(wire::Milliseconds timeout);

}  // namespace fanfold::worker
