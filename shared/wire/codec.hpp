// Messages to bytes and back. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/result.hpp"
#include "shared/wire/messages.hpp"
#include "shared/wire/objects.hpp"

namespace fanfold::wire {

/// The header frame of a message.
std::string encode(const Message& message);

/// Reads a header frame: an Error for anything that is not one whole, known, well-typed message
/// within the limits. A Hello of another major version is returned with its two version numbers and
/// nothing else.
Result<Message> decode(std::string_view header);

/// Around a message whose body travels compressed: that message's header, and the bytes of its body
/// as it was. No Message: a receiver unwraps it before anybody sees it.
struct Packed {
    static constexpr std::uint8_t kind = 6;
    std::uint64_t raw_bytes = 0;
    std::string header{};
    static constexpr auto fields = [](auto& m) { return std::tie(m.raw_bytes, m.header); };
    static constexpr Bound bounds[] = {at_most("header", limits::header_bytes)};
};
std::string encode(const Packed& packed);
/// Reads a header frame, if it is of this kind; nothing for any other.
std::optional<Result<Packed>> decode_packed(std::string_view header);

/// Around one part of a message whose body is long, so that whoever receives it sees it coming: the
/// parts follow each other, with nothing of that sender in between. No Message, as Packed.
struct Part {
    static constexpr std::uint8_t kind = 7;
    std::uint64_t body_bytes = 0;  // of the whole body
    std::string header{};          // of the message, or of its Packed; empty: not its first part
    static constexpr auto fields = [](auto& m) { return std::tie(m.body_bytes, m.header); };
    static constexpr Bound bounds[] = {at_most("header", limits::header_bytes)};
};
std::string encode(const Part& part);
/// As decode_packed().
std::optional<Result<Part>> decode_part(std::string_view header);

}  // namespace fanfold::wire
