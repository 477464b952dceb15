// MessagePack objects as JSON text, for people and for `--output json`. Pure functions, any thread.
// What JSON does not have is written so: NaN and the infinities become null. Bytes become a string
// where they are UTF-8, else {"base64": "…"}. An extension becomes {"extension": TYPE, "base64":
// "…"}. A map's key that is no string becomes a string of its JSON text, or where there is a map in
// it, of the base64 of its MessagePack.
#pragma once

#include <string>
#include <string_view>

namespace fanfold::scatterer::cli {

/// Appends the text in double quotes with JSON's escapes; bytes that are not UTF-8 become U+FFFD,
/// and what would steer a terminal (text.hpp) is escaped.
void append_json_string(std::string& json, std::string_view text);
/// Appends bytes that may be anything: a string where they are UTF-8, else {"base64": "…"}.
void append_json_bytes(std::string& json, std::string_view bytes);
/// Appends one MessagePack object as JSON on one line; one nested too deep (or none at all) as
/// {"base64": "…"}.
void append_json(std::string& json, std::string_view object);

/// JSON text from elsewhere, with what would steer a terminal escaped.
std::string without_steering(std::string_view json);

}  // namespace fanfold::scatterer::cli
