#include "scatterer/cli/input/source.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "scatterer/cli/base/limits.hpp"

namespace fanfold::scatterer::cli {
namespace {

tl::unexpected<Error> bad_array(std::string_view text, std::string_view why) {
    return fail("bad --array '" + std::string(text) + "': " + std::string(why) +
                "; write it as 1-100, 1-100:2 (every second) or 1-3,7 (last numbers included)");
}

// Takes a whole number from the front of the text.
bool take_number(std::string_view& text, std::uint64_t& number) {
    auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
    return true;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

Result<bool> ArgumentSource::next(std::string_view& value) {
    if (at_ == values_.size()) return false;
    value = values_[at_++];
    return true;
}

Result<std::vector<NumberRange>> parse_array(std::string_view text) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    std::vector<NumberRange> ranges;
    std::string_view rest = text;
    std::uint64_t total = 0;
    do {
        NumberRange range;
        if (!take_number(rest, range.first))
            return bad_array(text, "a whole number is missing, or too large");
        range.last = range.first;
        if (take(rest, '-') && !take_number(rest, range.last))
            return bad_array(text, "a range has no last number, or one too large");
        if (take(rest, ':') && !take_number(rest, range.step))
            return bad_array(text, "a step is missing after ':'");
        if (range.step == 0) return bad_array(text, "a step of 0 never ends");
        if (range.last < range.first)
            return bad_array(text, "a range's last number is below its first");
        if (range.last >= most || range.size() > most - total)
            return bad_array(text, "it is too large");
        total += range.size();
        ranges.push_back(range);
    } while (take(rest, ','));
    if (!rest.empty()) return bad_array(text, "'" + std::string(rest) + "' is not understood");
    return ranges;
}

Result<bool> NumberSource::next(std::string_view& value) {
    if (range_ == ranges_.size()) return false;
    const NumberRange& range = ranges_[range_];
    text_ = std::to_string(range.first + place_ * range.step);
    value = text_;
    if (++place_ == range.size()) {
        ++range_;
        place_ = 0;
    }
    return true;
}

std::optional<std::uint64_t> NumberSource::count() const {
    std::uint64_t total = 0;
    for (std::size_t i = first_range_; i < ranges_.size(); ++i) total += ranges_[i].size();
    return total - first_place_;
}

Result<bool> LineSource::read(std::string_view& value) {
    Result<bool> more = reader_.next(value);
    if (!use_.quoted || !more || !*more) return more;
    auto is_open = [](std::string_view text) { return std::ranges::count(text, '"') % 2 != 0; };
    if (!is_open(value)) return more;
    joined_ = value;
    do {
        more = reader_.next(value);
        if (!more || !*more)
            return more ? fail("a double quote is not closed: " + std::string(joined_, 0, 60))
                        : more;
        joined_ += use_.separator;
        joined_ += value;
        if (joined_.size() > fanfold::limits::payload_bytes)
            return fail("a value in double quotes is longer than " +
                        std::to_string(fanfold::limits::payload_bytes) + " bytes");
    } while (!is_open(value));
    value = joined_;
    return true;
}

Result<bool> LineSource::next(std::string_view& value) {
    if (at_ < kept_.size()) {
        value = kept_[at_++];
        return true;
    }
    Result<bool> more = read(value);
    if (use_.remember && more && *more) {
        kept_.emplace_back(value);
        ++at_;
    }
    return more;
}

void LineSource::rewind() {
    FANFOLD_CHECK(use_.remember);
    at_ = 0;
}

}  // namespace fanfold::scatterer::cli
