#include "worker/core/text.hpp"

#include <cstdint>

namespace fanfold::worker {

namespace {

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The length of the well-formed character at the start of `bytes`, which is not empty; 0 if there
/// is none.
std::size_t character_length(std::string_view bytes) {
    auto lead = static_cast<unsigned char>(bytes[0]);
    if (lead < 0x80) return 1;
    std::size_t length = lead >= 0xc2 && lead <= 0xdf   ? 2
                         : (lead & 0xf0) == 0xe0        ? 3
                         : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                        : 0;
    if (length == 0 || bytes.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i) {
        if (!continues(bytes[i])) return 0;
    }
    auto second = static_cast<unsigned char>(bytes[1]);
    bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool surrogate = lead == 0xed && second > 0x9f;
    bool too_high = lead == 0xf4 && second > 0x8f;
    return overlong || surrogate || too_high ? 0 : length;
}

}  // namespace

bool is_utf8(std::string_view bytes) {
    while (!bytes.empty()) {
        std::size_t length = character_length(bytes);
        if (length == 0) return false;
        bytes.remove_prefix(length);
    }
    return true;
}

std::string shortened(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    while (most > 0 && continues(text[most])) --most;
    text.resize(most);
    return text;
}

std::string_view tail(std::string_view text, std::size_t most) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    if (text.size() <= most) return text;
    text.remove_prefix(text.size() - most);
    while (!text.empty() && continues(text.front())) text.remove_prefix(1);
    return text;
}

std::string duration_text(wire::Milliseconds duration) {
    std::int64_t milliseconds = duration.count();
    if (milliseconds < 1000) return std::to_string(milliseconds) + " ms";
    std::string text = std::to_string(milliseconds / 1000);
    if (std::int64_t rest = milliseconds % 1000; rest != 0) {
        std::string digits = std::to_string(1000 + rest).substr(1);
        while (digits.back() == '0') digits.pop_back();
        text += "." + digits;
    }
    return text + " s";
}

std::string timeout_text(wire::Milliseconds timeout) {
    return "took longer than its timeout of " + duration_text(timeout);
}

}  // namespace fanfold::worker
