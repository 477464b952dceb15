#include "shared/base/text.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

namespace fanfold {

namespace {

std::uint32_t code_point(std::string_view character) {
    auto byte = [&](std::size_t i) {
        return static_cast<std::uint32_t>(static_cast<unsigned char>(character[i]));
    };
    switch (character.size()) {
        case 1: return byte(0);
        case 2: return (byte(0) & 0x1f) << 6 | (byte(1) & 0x3f);
        case 3: return (byte(0) & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
        default:
            return (byte(0) & 0x07) << 18 | (byte(1) & 0x3f) << 12 | (byte(2) & 0x3f) << 6 |
                   (byte(3) & 0x3f);
    }
}

bool is_plain_ascii(char c) { return c >= 0x20 && c < 0x7f; }

std::string escaped(std::string_view character) {
    if (character == "\n") return "\\n";
    if (character == "\r") return "\\r";
    if (character == "\t") return "\\t";
    std::array<char, 16> text{};
    std::uint32_t code = code_point(character);
    const char* format = character.size() == 1 ? "\\x%02x" : code <= 0xffff ? "\\u%04x" : "\\U%08x";
    std::snprintf(text.data(), text.size(), format, static_cast<unsigned>(code));
    return text.data();
}

}  // namespace

std::size_t character_length(std::string_view text) {
    auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    auto follows = [&](std::size_t i, unsigned least = 0x80, unsigned most = 0xbf) {
        return byte(i) >= least && byte(i) <= most;
    };
    if (text.empty()) return 0;
    unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        unsigned least = first == 0xe0 ? 0xa0 : 0x80;
        unsigned most = first == 0xed ? 0x9f : 0xbf;  // no surrogates
        return follows(1, least, most) && follows(2) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        unsigned least = first == 0xf0 ? 0x90 : 0x80;
        unsigned most = first == 0xf4 ? 0x8f : 0xbf;  // nothing past U+10FFFF
        return follows(1, least, most) && follows(2) && follows(3) ? 4 : 0;
    }
    return 0;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        std::size_t length = character_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

std::string_view cut_between_characters(std::string_view text, std::size_t most) {
    if (text.size() <= most) return text;
    while (most > 0 && !begins_character(text[most])) --most;
    return text.substr(0, most);
}

bool is_steering(std::string_view character) {
    if (character.size() == 1) return !is_plain_ascii(character[0]);
    std::uint32_t code = code_point(character);
    auto within = [&](std::uint32_t first, std::uint32_t last) {
        return code >= first && code <= last;
    };
    return within(0x80, 0x9f) || code == 0xad || code == 0x61c || within(0x200b, 0x200f) ||
           within(0x2028, 0x202e) || within(0x2060, 0x206f) || code == 0xfeff ||
           within(0xfff9, 0xfffb) || within(0xe0000, 0xe007f);
}

std::string printable(std::string_view text, std::size_t most) {
    std::string clean;
    while (!text.empty()) {
        if (clean.size() >= most)
            return clean + "… (" + std::to_string(text.size()) + " bytes more)";
        if (is_plain_ascii(text[0])) {
            clean += text[0];
            text.remove_prefix(1);
            continue;
        }
        std::size_t length = character_length(text);
        std::string_view character = text.substr(0, length == 0 ? 1 : length);
        if (length == 0 || is_steering(character)) clean += escaped(character);
        else clean += character;
        text.remove_prefix(character.size());
    }
    return clean;
}

}  // namespace fanfold
