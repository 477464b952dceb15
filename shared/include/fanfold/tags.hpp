// The first bytes of a MessagePack object: the one place that reads them. For Fanfold's own
// headers; not a part of what the library promises. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace fanfold::tags {

enum class Kind : std::uint8_t {
    none,  // not MessagePack, or cut off
    nil,
    boolean,
    natural,   // an integer of 0 or more
    negative,  // an integer below 0
    real,
    text,
    bytes,
    extension,
    array,
    map,
};

/// What an object's first bytes say.
struct Head {
    Kind kind = Kind::none;
    std::size_t length = 0;    // of the object in bytes, without its children
    std::uint64_t number = 0;  // a boolean's or an integer's value, a real's bits, the bytes of a
                               // text or of bytes, the elements of an array, the pairs of a map

    std::uint64_t children() const {
        return kind == Kind::array ? number : kind == Kind::map ? 2 * number : 0;
    }
    bool is_content() const { return kind == Kind::text || kind == Kind::bytes; }
    /// The text or the bytes of an object that `from` begins with.
    std::string_view content(std::string_view from) const {
        return from.substr(length - number, number);
    }
    /// Of any number; nothing for an object that is none.
    std::optional<double> as_real() const {
        if (kind == Kind::natural) return static_cast<double>(number);
        if (kind == Kind::negative) return static_cast<double>(static_cast<std::int64_t>(number));
        if (kind != Kind::real) return std::nullopt;
        double value = 0;
        std::memcpy(&value, &number, sizeof value);
        return value;
    }
};

namespace detail {

/// An object whose first byte is 0xc0 to 0xdf: how many bytes of a number stand behind it, and
/// further ones that belong to neither the number nor the content.
struct Shape {
    Kind kind;
    std::uint8_t width;
    std::uint8_t extra;
};
inline constexpr Shape shapes[32] = {
    {Kind::nil, 0, 0},       {Kind::none, 0, 0},      {Kind::boolean, 0, 0},
    {Kind::boolean, 0, 0},   {Kind::bytes, 1, 0},     {Kind::bytes, 2, 0},
    {Kind::bytes, 4, 0},     {Kind::extension, 1, 1}, {Kind::extension, 2, 1},
    {Kind::extension, 4, 1}, {Kind::real, 4, 0},      {Kind::real, 8, 0},
    {Kind::natural, 1, 0},   {Kind::natural, 2, 0},   {Kind::natural, 4, 0},
    {Kind::natural, 8, 0},   {Kind::negative, 1, 0},  {Kind::negative, 2, 0},
    {Kind::negative, 4, 0},  {Kind::negative, 8, 0},  {Kind::extension, 0, 1},
    {Kind::extension, 0, 1}, {Kind::extension, 0, 1}, {Kind::extension, 0, 1},
    {Kind::extension, 0, 1}, {Kind::text, 1, 0},      {Kind::text, 2, 0},
    {Kind::text, 4, 0},      {Kind::array, 2, 0},     {Kind::array, 4, 0},
    {Kind::map, 2, 0},       {Kind::map, 4, 0},
};

inline Head read_long(std::string_view bytes, unsigned tag) {
    const Shape shape = shapes[tag - 0xc0];
    Head head{.kind = shape.kind, .length = 1u + shape.width + shape.extra};
    if (bytes.size() < head.length) return {};
    for (unsigned at = 1; at <= shape.width; ++at)
        head.number = head.number << 8 | static_cast<unsigned char>(bytes[at]);
    switch (shape.kind) {
        case Kind::boolean: head.number = tag & 1; break;
        case Kind::negative: {  // the encoding is that of any signed integer
            const unsigned unused = 64u - 8u * shape.width;
            const auto value = static_cast<std::int64_t>(head.number << unused) >> unused;
            head.number = static_cast<std::uint64_t>(value);
            if (value >= 0) head.kind = Kind::natural;
            break;
        }
        case Kind::real:
            if (shape.width == 4) {
                const auto bits = static_cast<std::uint32_t>(head.number);
                float single = 0;
                std::memcpy(&single, &bits, sizeof single);
                const double value = single;
                std::memcpy(&head.number, &value, sizeof value);
            }
            break;
        case Kind::extension:
            if (shape.width == 0) head.number = 1u << (tag - 0xd4);
            head.length += head.number;
            break;
        case Kind::text:
        case Kind::bytes: head.length += head.number; break;
        case Kind::none: return {};
        case Kind::nil:
        case Kind::natural:
        case Kind::array:
        case Kind::map: break;
    }
    return head.length <= bytes.size() ? head : Head{};
}

}  // namespace detail

/// Reads the head of the object that `bytes` begins with; its content is there as a whole, its
/// children need not be.
inline Head read(std::string_view bytes) {
    if (bytes.empty()) return {};
    const unsigned tag = static_cast<unsigned char>(bytes[0]);
    if (tag <= 0x7f) return {Kind::natural, 1, tag};
    if (tag >= 0xe0)
        return {Kind::negative, 1,
                static_cast<std::uint64_t>(static_cast<std::int64_t>(tag) - 0x100)};
    if (tag >= 0xc0) return detail::read_long(bytes, tag);
    if (tag <= 0x8f) return {Kind::map, 1, tag & 0x0fu};
    if (tag <= 0x9f) return {Kind::array, 1, tag & 0x0fu};
    const std::size_t length = 1u + (tag & 0x1fu);
    return length <= bytes.size() ? Head{Kind::text, length, tag & 0x1fu} : Head{};
}

/// Whether two objects that begin with this byte are equally long, and have no children.
inline bool tells_all(char first) {
    const unsigned tag = static_cast<unsigned char>(first);
    const bool is_small_number = tag <= 0x7f || tag >= 0xe0;
    const bool is_short_text = tag >= 0xa0 && tag <= 0xbf;
    const bool is_number = tag >= 0xca && tag <= 0xd3;
    return is_small_number || is_short_text || is_number;
}

}  // namespace fanfold::tags
