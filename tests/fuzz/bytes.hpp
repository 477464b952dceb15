// A fuzzer's input, read as decisions from its beginning. What lies past its end is zeros, so every
// input means something. A list of events is lines: a mutation changes the event in which it is,
// and those that follow stay what they were.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace fanfold::fuzz {

class Bytes {
public:
    explicit Bytes(std::string_view bytes) : rest_(bytes) {}
    Bytes(const std::uint8_t* data, std::size_t size)
        : rest_(reinterpret_cast<const char*>(data), size) {}

    bool empty() const { return rest_.empty(); }

    std::uint8_t byte() {
        if (rest_.empty()) return 0;
        auto first = static_cast<std::uint8_t>(rest_.front());
        rest_.remove_prefix(1);
        return first;
    }
    bool flag() { return (byte() & 1) != 0; }
    /// Less than `end`, which is from 1 to 256.
    std::size_t below(std::size_t end) { return byte() % end; }
    template <class T, std::size_t n>
    T pick(const T (&from)[n]) {
        return from[below(n)];
    }
    /// 64 bits, little-endian.
    std::uint64_t word() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 8) value |= std::uint64_t{byte()} << shift;
        return value;
    }
    /// Mostly small, sometimes near a limit of a type, sometimes anything.
    std::uint64_t number() {
        static constexpr std::uint64_t edges[] = {
            0xffff,        0x1'0000,   0x7fff'ffff,           0x8000'0000,           0xffff'ffff,
            0x1'0000'0000, 1ull << 40, 0x7fff'ffff'ffff'ffff, 0x8000'0000'0000'0000, ~0ull - 1,
            ~0ull};
        std::uint8_t first = byte();
        if (first < 224) return first;
        return first < 232 ? word() : edges[first % std::size(edges)];
    }
    /// As many bytes as the first one says, within `most`.
    std::string_view text(std::size_t most) { return take(std::min<std::size_t>(byte(), most)); }
    std::string_view rest() { return take(rest_.size()); }
    /// Up to the next line end, which belongs to no line.
    std::string_view line() {
        std::string_view found = take(std::min(rest_.find('\n'), rest_.size()));
        if (!rest_.empty()) rest_.remove_prefix(1);
        return found;
    }

private:
    std::string_view take(std::size_t count) {
        std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(taken.size());
        return taken;
    }

    std::string_view rest_;
};

}  // namespace fanfold::fuzz
