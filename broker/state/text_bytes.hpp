// How much a peer's texts take, each with an allowance for its place in memory. Any thread.
#pragma once

#include <cstddef>

#include "shared/wire/messages.hpp"

namespace fanfold::broker {

/// Of all names and texts, in bytes.
std::size_t text_bytes(const wire::Hello& hello);
std::size_t text_bytes(const wire::JobSpec& spec);

}  // namespace fanfold::broker
