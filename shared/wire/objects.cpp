#include "shared/wire/objects.hpp"

namespace fanfold::wire {

namespace {

void append_big_endian(std::string& body, unsigned tag, std::uint64_t value, unsigned width) {
    char bytes[9] = {static_cast<char>(tag)};
    for (unsigned i = 1; i <= width; ++i) bytes[i] = static_cast<char>(value >> (8 * (width - i)));
    body.append(bytes, 1 + width);
}

/// The head of what has a length of 8, 16 or 32 bits: its tag for 8 bits is given, the others
/// follow.
void append_size(std::string& body, unsigned tag, std::uint64_t size) {
    if (size < 1u << 8) append_big_endian(body, tag, size, 1);
    else if (size < 1u << 16) append_big_endian(body, tag + 1, size, 2);
    else append_big_endian(body, tag + 2, size, 4);
}

}  // namespace

std::optional<std::size_t> objects_length(std::string_view bytes, std::uint64_t count,
                                          std::uint64_t within) {
    const char* data = bytes.data();
    std::size_t at = 0;
    std::uint64_t wanted = count;
    char before = 0;
    unsigned alike = 0;  // objects in a row that begin as the one before
    while (wanted > 0) {
        if (at >= bytes.size()) return std::nullopt;
        const char tag = data[at];
        const tags::Head head = tags::read({data + at, bytes.size() - at});
        if (head.kind == tags::Kind::none) return std::nullopt;
        const std::size_t length = head.length;
        const std::uint64_t children = head.children();
        at += length;
        if (children > within) return std::nullopt;
        within -= children;
        wanted += children - 1;
        if (wanted > bytes.size() - at) return std::nullopt;  // each takes a byte at least
        alike = tag == before ? alike + 1 : 0;
        before = tag;
        if (alike < 4 || !tags::tells_all(tag)) continue;
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
void append_text(std::string& body, std::string_view text) {
    if (text.size() < 32) body += static_cast<char>(0xa0 | text.size());
    else append_size(body, 0xd9, text.size());
    body += text;
}
void append_bytes(std::string& body, std::string_view bytes) {
    append_size(body, 0xc4, bytes.size());
    body += bytes;
}
void append_nil(std::string& body) { body += '\xc0'; }
void append_bool(std::string& body, bool value) { body += value ? '\xc3' : '\xc2'; }

void append_natural(std::string& body, std::uint64_t value) {
    if (value < 0x80) body += static_cast<char>(value);
    else if (value >> 32 == 0) append_size(body, 0xcc, value);
    else append_big_endian(body, 0xcf, value, 8);
}

void append_integer(std::string& body, std::int64_t value) {
    const auto bits = static_cast<std::uint64_t>(value);
    if (value >= 0) append_natural(body, bits);
    else if (value >= -32) body += static_cast<char>(value);
    else if (value >= INT8_MIN) append_big_endian(body, 0xd0, bits, 1);
    else if (value >= INT16_MIN) append_big_endian(body, 0xd1, bits, 2);
    else if (value >= INT32_MIN) append_big_endian(body, 0xd2, bits, 4);
    else append_big_endian(body, 0xd3, bits, 8);
}

void append_real(std::string& body, double value) {
    if (value >= 0 && value < 0x1p64) {
        const auto whole = static_cast<std::uint64_t>(value);
        if (static_cast<double>(whole) == value) return append_natural(body, whole);
    } else if (value < 0 && value >= -0x1p63) {
        const auto whole = static_cast<std::int64_t>(value);
        if (static_cast<double>(whole) == value) return append_integer(body, whole);
    }
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    append_big_endian(body, 0xcb, bits, 8);
}

void append_array(std::string& body, std::size_t count) {
    if (count < 16) body += static_cast<char>(0x90 | count);
    else if (count < 1u << 16) append_big_endian(body, 0xdc, count, 2);
    else append_big_endian(body, 0xdd, count, 4);
}

std::optional<std::string_view> text_of(std::string_view object) {
    const tags::Head head = tags::read(object);
    if (!head.is_content() || head.length != object.size()) return std::nullopt;
    return head.content(object);
}

std::optional<double> number_of(std::string_view object) {
    const tags::Head head = tags::read(object);
    return head.length == object.size() ? head.as_real() : std::nullopt;
}

std::optional<std::vector<std::string_view>> elements_of(std::string_view object) {
    if (object_length(object) != object.size()) return std::nullopt;
    const tags::Head head = tags::read(object);
    if (head.kind != tags::Kind::array) return std::nullopt;
    std::vector<std::string_view> elements;
    object.remove_prefix(head.length);
    for (std::uint64_t i = 0; i < head.number; ++i) {
        std::size_t length = *object_length(object);
        elements.push_back(object.substr(0, length));
        object.remove_prefix(length);
    }
    return elements;
}

bool is_nil(std::string_view object) { return object == "\xc0"; }

}  // namespace fanfold::wire
