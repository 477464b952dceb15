// Objects of MessagePack as bytes: how long they are, and single values that the system itself
// makes or reads.
#include <msgpack.hpp>

#include "shared/wire/codec.hpp"

namespace fanfold::wire {

namespace {

// --- walking MessagePack without decoding it
// -------------------------------------------------------------------

std::uint64_t big_endian(const unsigned char* at, unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value = value << 8 | at[i];
    return value;
}

/// What an object's first bytes say: how long it is without its children, and how many children
/// follow.
struct Opening {
    std::uint64_t length = 0;  // 0: not MessagePack, or cut off
    std::uint64_t children = 0;
};

Opening read_opening(const unsigned char* at, std::size_t left) {
    unsigned char tag = at[0];
    if (tag <= 0x7f || tag >= 0xe0) return {1, 0};    // fixint
    if (tag <= 0x8f) return {1, 2u * (tag & 0x0fu)};  // fixmap
    if (tag <= 0x9f) return {1, tag & 0x0fu};         // fixarray
    if (tag <= 0xbf) return {1u + (tag & 0x1fu), 0};  // fixstr
    auto sized = [&](unsigned width,
                     unsigned extra) -> Opening {  // bin, ext, str: length, then bytes
        if (left < 1 + width) return {};
        return {1 + width + extra + big_endian(at + 1, width), 0};
    };
    auto nested = [&](unsigned width,
                      unsigned each) -> Opening {  // array, map: count, then children
        if (left < 1 + width) return {};
        return {1 + width, each * big_endian(at + 1, width)};
    };
    // clang-format off
    switch (tag) {
        case 0xc0: case 0xc2: case 0xc3: return {1, 0};                         // nil, false, true
        case 0xc4: case 0xd9: return sized(1, 0);
        case 0xc5: case 0xda: return sized(2, 0);
        case 0xc6: case 0xdb: return sized(4, 0);
        case 0xc7: return sized(1, 1);
        case 0xc8: return sized(2, 1);
        case 0xc9: return sized(4, 1);
        case 0xcc: case 0xd0: return {2, 0};
        case 0xcd: case 0xd1: return {3, 0};
        case 0xca: case 0xce: case 0xd2: return {5, 0};
        case 0xcb: case 0xcf: case 0xd3: return {9, 0};
        case 0xd4: return {3, 0};
        case 0xd5: return {4, 0};
        case 0xd6: return {6, 0};
        case 0xd7: return {10, 0};
        case 0xd8: return {18, 0};
        case 0xdc: return nested(2, 1);
        case 0xdd: return nested(4, 1);
        case 0xde: return nested(2, 2);
        case 0xdf: return nested(4, 2);
        default: return {};                                                     // 0xc1 is never used
    }
    // clang-format on
}

/// Whether two objects that begin with this byte are equally long, and have no children.
bool tells_all(unsigned char tag) {
    bool is_small_number = tag <= 0x7f || tag >= 0xe0;
    bool is_short_text = tag >= 0xa0 && tag <= 0xbf;
    bool is_number = tag >= 0xca && tag <= 0xd3;
    return is_small_number || is_short_text || is_number;
}

void append_sized(std::string& body, std::string_view bytes, bool text) {
    auto size = bytes.size();
    auto number = [&](unsigned width) {
        for (unsigned i = width; i-- > 0;) body += static_cast<char>(size >> (8 * i));
    };
    if (text && size < 32) body += static_cast<char>(0xa0 | size);
    else if (size < 256) body += static_cast<char>(text ? 0xd9 : 0xc4), number(1);
    else if (size < 65536) body += static_cast<char>(text ? 0xda : 0xc5), number(2);
    else body += static_cast<char>(text ? 0xdb : 0xc6), number(4);
    body += bytes;
}

}  // namespace

std::optional<std::size_t> objects_length(std::string_view bytes, std::uint64_t count,
                                          std::uint64_t within) {
    const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
    std::size_t at = 0;
    std::uint64_t wanted = count;
    unsigned char before = 0;
    unsigned alike = 0;  // objects in a row that begin as the one before
    while (wanted > 0) {
        if (at >= bytes.size()) return std::nullopt;
        const unsigned char tag = data[at];
        Opening opening = read_opening(data + at, bytes.size() - at);
        const std::size_t length = opening.length;
        if (length == 0 || length > bytes.size() - at) return std::nullopt;
        at += length;
        if (opening.children > within) return std::nullopt;
        within -= opening.children;
        wanted += opening.children - 1;
        if (wanted > bytes.size() - at) return std::nullopt;  // each takes a byte at least
        alike = tag == before ? alike + 1 : 0;
        before = tag;
        if (alike < 4 || !tells_all(tag)) continue;
        // Objects of one kind lie at equal steps: the first bytes of the next ones are read without
        // waiting for each other.
        while (wanted >= 4 && bytes.size() - at >= 4 * length && data[at] == tag &&
               data[at + length] == tag && data[at + 2 * length] == tag &&
               data[at + 3 * length] == tag) {
            at += 4 * length;
            wanted -= 4;
        }
        alike = 0;
    }
    return at;
}

std::string pack_text(std::string_view text) {
    std::string body;
    append_text(body, text);
    return body;
}
std::string pack_bytes(std::string_view bytes) {
    std::string body;
    append_bytes(body, bytes);
    return body;
}
void append_text(std::string& body, std::string_view text) { append_sized(body, text, true); }
void append_bytes(std::string& body, std::string_view bytes) { append_sized(body, bytes, false); }
void append_nil(std::string& body) { body += static_cast<char>(0xc0); }
void append_array(std::string& body, std::uint32_t count) {
    if (count < 16) {
        body += static_cast<char>(0x90 | count);
        return;
    }
    body += static_cast<char>(0xdd);
    for (unsigned i = 4; i-- > 0;) body += static_cast<char>(count >> (8 * i));
}

std::optional<std::string_view> text_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    auto tag = static_cast<unsigned char>(object[0]);
    if (tag >= 0xa0 && tag <= 0xbf) return object.substr(1);
    // clang-format off
    switch (tag) {
        case 0xc4: case 0xd9: return object.substr(2);
        case 0xc5: case 0xda: return object.substr(3);
        case 0xc6: case 0xdb: return object.substr(5);
        default: return std::nullopt;
    }
    // clang-format on
}

std::optional<double> number_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    auto tag = static_cast<unsigned char>(object[0]);
    bool is_number = tag <= 0x7f || tag >= 0xe0 || (tag >= 0xca && tag <= 0xd3);
    if (!is_number) return std::nullopt;
    auto handle = msgpack::unpack(object.data(), object.size());
    double value = 0;
    switch (handle->type) {
        case msgpack::type::POSITIVE_INTEGER: value = static_cast<double>(handle->via.u64); break;
        case msgpack::type::NEGATIVE_INTEGER: value = static_cast<double>(handle->via.i64); break;
        case msgpack::type::FLOAT32:
        case msgpack::type::FLOAT64: value = handle->via.f64; break;
        default: return std::nullopt;
    }
    return value;
}

std::optional<std::vector<std::string_view>> elements_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    Opening opening =
        read_opening(reinterpret_cast<const unsigned char*>(object.data()), object.size());
    auto tag = static_cast<unsigned char>(object[0]);
    if (!(tag >= 0x90 && tag <= 0x9f) && tag != 0xdc && tag != 0xdd) return std::nullopt;
    std::vector<std::string_view> elements;
    object.remove_prefix(opening.length);
    for (std::uint64_t i = 0; i < opening.children; ++i) {
        std::size_t length = *object_length(object);
        elements.push_back(object.substr(0, length));
        object.remove_prefix(length);
    }
    return elements;
}

bool is_nil(std::string_view object) { return object == "\xc0"; }

}  // namespace fanfold::wire
