#include "shared/base/duration.hpp"

#include <array>
#include <limits>

namespace fanfold {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t nanoseconds;
};

constexpr std::uint64_t second = 1'000'000'000;
// From the largest to the smallest, the order in which they may follow one another.
constexpr std::array<Unit, 7> units{{{"d", 86'400 * second},
                                     {"h", 3'600 * second},
                                     {"m", 60 * second},
                                     {"s", second},
                                     {"ms", 1'000'000},
                                     {"us", 1'000},
                                     {"ns", 1}}};
constexpr std::size_t seconds_unit = 3;
constexpr std::uint64_t longest = std::uint64_t{100 * 365} * 86'400 * second;

static_assert(longest <= static_cast<std::uint64_t>(std::numeric_limits<Duration::rep>::max()));

bool is_digit(char c) { return c >= '0' && c <= '9'; }

tl::unexpected<Error> bad_duration(std::string_view text, std::string_view why) {
    return fail("bad duration '" + std::string(text) + "': " + std::string(why) +
                "; write it as 500ms, 10s, 1h30m or 2d (units ns us ms s m h d), or as a bare "
                "number of seconds");
}

tl::unexpected<Error> bad_size(std::string_view text, std::string_view why) {
    return fail("bad size '" + std::string(text) + "': " + std::string(why) +
                "; write it as 1048576, 512k, 64M or 1G (powers of 1024)");
}

// A decimal number cut from the front of a text: `whole`, and the digits after the point.
struct Decimal {
    std::string_view whole;
    std::string_view fraction;
    bool valid() const { return !whole.empty() || !fraction.empty(); }
};

std::string_view take_digits(std::string_view& rest) {
    std::size_t count = 0;
    while (count < rest.size() && is_digit(rest[count])) ++count;
    std::string_view digits = rest.substr(0, count);
    rest.remove_prefix(count);
    return digits;
}

Decimal take_decimal(std::string_view& rest) {
    Decimal decimal{.whole = take_digits(rest), .fraction = {}};
    if (rest.size() > 1 && rest[0] == '.' && is_digit(rest[1])) {
        rest.remove_prefix(1);
        decimal.fraction = take_digits(rest);
    }
    return decimal;
}

// The decimal times the unit in nanoseconds; something past `longest` when it is too long.
std::uint64_t scaled(const Decimal& decimal, std::uint64_t unit) {
    std::uint64_t whole = 0;
    for (char c : decimal.whole) {
        whole = whole * 10 + static_cast<std::uint64_t>(c - '0');
        if (whole > longest / unit) return longest + 1;
    }
    // From the last digit to the first: nested roundings down by ten equal one rounding down of the
    // whole.
    std::uint64_t part = 0;
    for (auto digit = decimal.fraction.rbegin(); digit != decimal.fraction.rend(); ++digit)
        part = (static_cast<std::uint64_t>(*digit - '0') * unit + part) / 10;
    return whole * unit + part;
}

std::string with_tenths(std::uint64_t tenths, std::string_view unit) {
    std::string text = std::to_string(tenths / 10);
    if (tenths % 10 != 0) text += '.' + std::to_string(tenths % 10);
    return text + std::string(unit);
}

std::string two_units(std::uint64_t smaller_count, std::uint64_t smaller_per_larger,
                      std::string_view names) {
    std::string text = std::to_string(smaller_count / smaller_per_larger) + names[0];
    if (smaller_count % smaller_per_larger != 0)
        text += std::to_string(smaller_count % smaller_per_larger) + names[1];
    return text;
}

// Text of a duration below a minute.
std::string short_text(std::uint64_t nanoseconds) {
    if (nanoseconds < 1'000) return std::to_string(nanoseconds) + "ns";
    constexpr std::array<Unit, 2> small{{{"us", 1'000}, {"ms", 1'000'000}}};
    for (const Unit& unit : small) {
        std::uint64_t tenths = (nanoseconds * 10 + unit.nanoseconds / 2) / unit.nanoseconds;
        if (tenths < 100) return with_tenths(tenths, unit.name);
        std::uint64_t whole = (nanoseconds + unit.nanoseconds / 2) / unit.nanoseconds;
        if (whole < 1'000) return std::to_string(whole) + std::string(unit.name);
    }
    return with_tenths((nanoseconds + second / 20) / (second / 10), "s");
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    if (text.empty()) return bad_duration(text, "it is empty");
    if (text.front() == '-') return bad_duration(text, "it is negative");
    std::string_view rest = text;
    std::uint64_t total = 0;
    std::size_t next_unit = 0;
    while (!rest.empty()) {
        Decimal decimal = take_decimal(rest);
        if (!decimal.valid())
            return bad_duration(text, "a number is missing before '" + std::string(rest) + "'");
        std::size_t length = 0;
        while (length < rest.size() && !is_digit(rest[length]) && rest[length] != '.') ++length;
        std::string_view name = rest.substr(0, length);
        rest.remove_prefix(length);
        bool bare = name.empty() && rest.empty() && next_unit == 0;
        std::size_t unit = bare ? seconds_unit : 0;
        while (!bare && unit < units.size() && units[unit].name != name) ++unit;
        if (unit == units.size() && name.empty())
            return bad_duration(text, "a unit is missing after a number");
        if (unit == units.size())
            return bad_duration(text, "'" + std::string(name) + "' is no unit");
        if (unit < next_unit)
            return bad_duration(text, "units go from the largest to the smallest, each once");
        next_unit = unit + 1;
        total += scaled(decimal, units[unit].nanoseconds);
        if (total > longest) return bad_duration(text, "it is longer than 100 years");
    }
    return Duration(static_cast<Duration::rep>(total));
}

std::string to_string(Duration duration) {
    std::uint64_t nanoseconds = static_cast<std::uint64_t>(duration.count());
    if (duration.count() < 0) {
        nanoseconds = 0 - nanoseconds;
        if (nanoseconds > longest) return "-100y";
        return "-" + to_string(Duration(static_cast<Duration::rep>(nanoseconds)));
    }
    if (nanoseconds < 60 * second - second / 20) return short_text(nanoseconds);
    std::uint64_t seconds = (nanoseconds + second / 2) / second;
    if (seconds < 3'600) return two_units(seconds, 60, "ms");
    std::uint64_t minutes = (seconds + 30) / 60;
    if (minutes < 24 * 60) return two_units(minutes, 60, "hm");
    return two_units((minutes + 30) / 60, 24, "dh");
}

Result<std::uint64_t> parse_size(std::string_view text) {
    if (text.empty()) return bad_size(text, "it is empty");
    if (text.front() == '-') return bad_size(text, "it is negative");
    std::string_view rest = text;
    std::string_view digits = take_digits(rest);
    if (digits.empty()) return bad_size(text, "it does not start with a whole number");
    constexpr std::string_view letters = "kmgtpe";
    unsigned shift = 0;
    if (!rest.empty()) {
        std::size_t place = letters.find(static_cast<char>(rest[0] | 0x20));
        if (place != std::string_view::npos) {
            shift = 10 * static_cast<unsigned>(place + 1);
            rest.remove_prefix(1);
            if (rest.size() == 2 && rest[0] == 'i') rest.remove_prefix(1);
        }
        if (rest == "B" || rest == "b") rest.remove_prefix(1);
    }
    if (!rest.empty()) return bad_size(text, "'" + std::string(rest) + "' is no unit");
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t value = 0;
    for (char c : digits) {
        std::uint64_t digit = static_cast<std::uint64_t>(c - '0');
        if (value > (most - digit) / 10) return bad_size(text, "it is too large");
        value = value * 10 + digit;
    }
    if (value > (most >> shift)) return bad_size(text, "it is too large");
    return value << shift;
}

}  // namespace fanfold
