#include "scatterer/cli/command/unknown_replacements.hpp"

#include <algorithm>

namespace fanfold::scatterer::cli {

namespace {

bool is_name(std::string_view inner) {
    auto letter = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    };
    return !inner.empty() && letter(inner.front()) &&
           std::all_of(inner.begin(), inner.end(),
                       [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::string those_there_are(bool plus, const std::vector<std::string>& names) {
    constexpr std::size_t most_named = 10;
    std::string columns;
    for (std::size_t i = 0; i < names.size() && i < most_named; ++i)
        columns += " {" + names[i] + "}";
    if (names.size() > most_named) columns += " …";
    return "; there are" + columns + " {} {.} {/} {//} {/.} {#} {%}" +
           (plus ? " {..} {...} {/..} {/...} {+/} {+.} {+..} {+...}" : "") +
           " and, of one value, {1} {1.} {1/} {1//} {1/.} {-1}" +
           (plus ? "" : "; with --plus also {..} {+/} {+.} and the like");
}

bool looks_replaceable(std::string_view inner) {
    if (inner.size() >= 2 && inner.front() == '=' && inner.back() == '=') return true;
    const std::size_t digits = inner.starts_with('-') ? 1 : 0;
    const std::size_t mark = std::min(inner.find_first_not_of("0123456789", digits), inner.size());
    return mark < inner.size() && inner.find_first_not_of("+./#%", mark) == std::string_view::npos;
}

std::string_view bare_name(std::string_view literal, const ShellScanner& before) {
    ShellScanner scanner = before;
    for (std::size_t at = 0; at < literal.size(); scanner.read(literal[at++])) {
        if (literal[at] != '{' || scanner.quotes() != Quotes::none || scanner.obstacle()) continue;
        if (at > 0 && (literal[at - 1] == '$' || literal[at - 1] == '@' || literal[at - 1] == '\\'))
            continue;
        const std::size_t close = literal.find('}', at);
        if (close != std::string_view::npos && is_name(literal.substr(at + 1, close - at - 1)))
            return literal.substr(at, close + 1 - at);
    }
    return {};
}

}  // namespace fanfold::scatterer::cli
