// Limits against peers that mean ill, and of what is shown of them; the others are in limits.hpp.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "shared/limits.hpp"

namespace fanfold::limits {

// --- what a header may become in memory ----------------------------------------------------------------------------
inline constexpr std::size_t decoded_bytes = 64 << 20;           // the elements of all its lists
inline constexpr std::size_t header_objects = header_bytes / 4;  // in all: what lists many things takes more bytes for each

// --- peers that talk nonsense ---------------------------------------------------------------------------------------
inline constexpr std::uint32_t nonsense_strikes = 100;   // messages of it within nonsense_window: the peer is cut off
inline constexpr std::size_t nonsense_bytes = 40 << 10;  // so much of a header that can't be read weighs as one message more
inline constexpr auto nonsense_window = 1min;
inline constexpr auto cut_off_time = 1min;
inline constexpr std::size_t nonsense_peers = 4096;  // remembered

// --- what is shown --------------------------------------------------------------------------------------------------
inline constexpr std::size_t shown_bytes = 4 << 10;  // of a text from outside, in a line of the log or on a terminal

// --- the log: lines of one kind at once, and then one each interval with how many were left out ----------------
inline constexpr std::uint32_t warning_lines = 200;
inline constexpr auto warning_interval = 100ms;
inline constexpr std::uint32_t info_lines = 10'000;  // jobs and peers come often
inline constexpr auto info_interval = 1ms;

static_assert(header_bytes < decoded_bytes);

}  // namespace fanfold::limits
