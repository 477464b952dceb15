#include "worker/handlers/sleep_time.hpp"

#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "shared/base/text.hpp"
#include "shared/wire/codec.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

constexpr std::size_t shown_bytes = 100;  // of a text that is no time to wait for

std::optional<double> number_in(std::string_view text) {
    const std::string digits(text);
    char* end = nullptr;
    const double value = std::strtod(digits.c_str(), &end);
    const bool whole =
        end != digits.c_str() && static_cast<std::size_t>(end - digits.c_str()) == digits.size();
    return whole ? std::optional(value) : std::nullopt;
}

}  // namespace

Result<Duration> sleep_time(std::string_view payload) {
    const auto text = wire::text_of(payload);
    const std::optional<double> seconds = text ? number_in(*text) : wire::number_of(payload);
    constexpr double longest = std::chrono::duration<double>(limits::longest_sleep).count();
    if (seconds && std::isfinite(*seconds) && *seconds >= 0 && *seconds <= longest)
        return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
    const std::string found =
        text ? "not '" + std::string(cut_between_characters(*text, shown_bytes)) + "'"
             : "or a text that holds it";
    return fail("fanfold.sleep wants a number of seconds from 0 to a year, " + found);
}

}  // namespace fanfold::worker
