// Text from outside, made fit for a line of the log or a terminal. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "shared/base/limits.hpp"

namespace fanfold {

/// The length of the well-formed UTF-8 character (RFC 3629) at the start of the text; 0: there is
/// none.
std::size_t character_length(std::string_view text);

/// Whether all of the text is well-formed UTF-8.
bool is_utf8(std::string_view text);

/// Whether no character of UTF-8 goes on with this byte.
inline bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

/// The first `most` bytes at most, cut between two characters.
std::string_view cut_between_characters(std::string_view text, std::size_t most);

/// Whether a well-formed character is one that steers instead of being seen: C0 and C1 controls,
/// DEL, line and paragraph separators, marks that turn the direction of writing or are invisible.
bool is_steering(std::string_view character);

/// The text on one line, with all that steers, and all that is no UTF-8, made visible: it can
/// neither forge a line nor steer a terminal.
/// `\n`, `\r`, `\t`; `\x1b` for single bytes; `\u202e` for others. Past `most` bytes of it, it says
/// how much was left out.
std::string printable(std::string_view text, std::size_t most = limits::shown_bytes);

}  // namespace fanfold
