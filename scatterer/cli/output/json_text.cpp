#include "scatterer/cli/output/json_text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <msgpack.hpp>
#include <nlohmann/json.hpp>

#include "scatterer/cli/base/limits.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

namespace {

void append_base64(std::string& json, std::string_view bytes) {
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t at = 0; at < bytes.size(); at += 3) {
        std::uint32_t three = 0;
        for (std::size_t i = 0; i < 3; ++i)
            three = three << 8 |
                    (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0u);
        std::size_t characters = std::min<std::size_t>(bytes.size() - at, 3) + 1;
        for (std::size_t i = 0; i < 4; ++i)
            json += i < characters ? digits[three >> (18 - 6 * i) & 63] : '=';
    }
}

void append_base64_object(std::string& json, std::string_view bytes) {
    json += "{\"base64\":\"";
    append_base64(json, bytes);
    json += "\"}";
}

void append_escaped(std::string& json, char c) {
    switch (c) {
        case '"': json += "\\\""; return;
        case '\\': json += "\\\\"; return;
        case '\n': json += "\\n"; return;
        case '\r': json += "\\r"; return;
        case '\t': json += "\\t"; return;
        default: break;
    }
    if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) {
        json += c;
        return;
    }
    char text[8];
    std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c));
    json += text;
}

/// As `\u` escapes: those of one character outside the first plane are two.
void append_utf16(std::string& json, std::string_view character) {
    std::string quoted = nlohmann::json(character).dump(-1, ' ', true);
    json += std::string_view(quoted).substr(1, quoted.size() - 2);
}

void append_number(std::string& json, double value) {
    json += std::isfinite(value) ? nlohmann::json(value).dump() : "null";
}

void append_object(std::string& json, const msgpack::object& object);

bool has_map(const msgpack::object& object) {
    if (object.type == msgpack::type::MAP) return true;
    if (object.type != msgpack::type::ARRAY) return false;
    return std::any_of(object.via.array.ptr, object.via.array.ptr + object.via.array.size, has_map);
}

/// Texts within texts double their escapes at each level, so that keys of keys would grow without
/// bound: what has a map in it is packed.
void append_key(std::string& json, const msgpack::object& key) {
    if (key.type == msgpack::type::STR)
        return append_json_string(json, {key.via.str.ptr, key.via.str.size});
    if (key.type == msgpack::type::BIN)
        return append_json_string(json, {key.via.bin.ptr, key.via.bin.size});
    std::string text;
    if (has_map(key)) {
        msgpack::sbuffer packed;
        msgpack::pack(packed, key);
        append_base64(text, {packed.data(), packed.size()});
    } else {
        append_object(text, key);
    }
    append_json_string(json, text);
}

void append_object(std::string& json, const msgpack::object& object) {
    const auto& via = object.via;
    switch (object.type) {
        case msgpack::type::NIL: json += "null"; return;
        case msgpack::type::BOOLEAN: json += via.boolean ? "true" : "false"; return;
        case msgpack::type::POSITIVE_INTEGER: json += std::to_string(via.u64); return;
        case msgpack::type::NEGATIVE_INTEGER: json += std::to_string(via.i64); return;
        case msgpack::type::FLOAT32:
        case msgpack::type::FLOAT64: append_number(json, via.f64); return;
        case msgpack::type::STR: append_json_string(json, {via.str.ptr, via.str.size}); return;
        case msgpack::type::BIN: append_json_bytes(json, {via.bin.ptr, via.bin.size}); return;
        case msgpack::type::ARRAY:
            json += '[';
            for (std::uint32_t i = 0; i < via.array.size; ++i) {
                if (i > 0) json += ',';
                append_object(json, via.array.ptr[i]);
            }
            json += ']';
            return;
        case msgpack::type::MAP:
            json += '{';
            for (std::uint32_t i = 0; i < via.map.size; ++i) {
                if (i > 0) json += ',';
                append_key(json, via.map.ptr[i].key);
                json += ':';
                append_object(json, via.map.ptr[i].val);
            }
            json += '}';
            return;
        case msgpack::type::EXT:
            json += "{\"extension\":" + std::to_string(via.ext.type()) + ",\"base64\":\"";
            append_base64(json, {via.ext.data(), via.ext.size});
            json += "\"}";
            return;
    }
}

}  // namespace

void append_json_string(std::string& json, std::string_view text) {
    json += '"';
    while (!text.empty()) {
        std::size_t length = character_length(text);
        std::string_view character = text.substr(0, length);
        if (length == 1) append_escaped(json, text[0]);
        else if (length == 0) json += "\xef\xbf\xbd";
        else if (is_steering(character)) append_utf16(json, character);
        else json += character;
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    json += '"';
}

std::string without_steering(std::string_view json) {
    std::string clean;
    clean.reserve(json.size());
    while (!json.empty()) {
        std::size_t length = std::max<std::size_t>(character_length(json), 1);
        std::string_view character = json.substr(0, length);
        if (length > 1 ? is_steering(character) : character == "\x7f")
            append_utf16(clean, character);
        else clean += character;
        json.remove_prefix(length);
    }
    return clean;
}

void append_json_bytes(std::string& json, std::string_view bytes) {
    if (is_utf8(bytes)) append_json_string(json, bytes);
    else append_base64_object(json, bytes);
}

void append_json(std::string& json, std::string_view object) {
    try {
        auto by_reference = [](msgpack::type::object_type, std::size_t, void*) { return true; };
        auto most = object.size();
        msgpack::unpack_limit limit(most, most, most, most, most, limits::nesting_depth);
        std::size_t used = 0;
        auto handle =
            msgpack::unpack(object.data(), object.size(), used, by_reference, nullptr, limit);
        append_object(json, handle.get());
    } catch (const msgpack::unpack_error&) {
        append_base64_object(json, object);
    }
}

}  // namespace fanfold::scatterer::cli
