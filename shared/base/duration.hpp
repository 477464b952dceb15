// Durations and sizes as people write and read them, for command lines and messages. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"

namespace fanfold {

/// Reads "500ms", "10s", "0.5h", "1h30m", "2d". A bare number, also a decimal one, is seconds.
/// Units are ns, us, ms, s, m, h and d; several go from the largest to the smallest, each once.
/// What is finer than a nanosecond is cut off. An error (empty, negative, unknown unit, more than
/// 100 years) names the text and the accepted forms. Zero is allowed.
Result<Duration> parse_duration(std::string_view text);

/// For people, two or three significant digits: "35ms", "1.2s", "2m10s", "1h5m", "2d3h".
std::string to_string(Duration duration);

/// Reads a number of bytes: "1048576", "512k", "64M", "1G", "2T"; powers of 1024, either case, an
/// optional "B" or "iB" at the end ("64MiB"). An error names the text and the accepted forms. Zero
/// is allowed.
Result<std::uint64_t> parse_size(std::string_view text);

}  // namespace fanfold
