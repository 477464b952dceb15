#include "scatterer/cli/input/command_words.hpp"

#include <optional>
#include <string_view>

namespace fanfold::scatterer::cli {
namespace {

std::optional<SourceWords> introduction(std::string_view word, const SourceSeparators& use) {
    using Kind = SourceWords::Kind;
    if (word == use.arguments) return SourceWords{.kind = Kind::arguments, .linked = false};
    if (word == use.arguments + '+') return SourceWords{.kind = Kind::arguments, .linked = true};
    if (word == use.files) return SourceWords{.kind = Kind::files, .linked = false};
    if (word == use.files + '+') return SourceWords{.kind = Kind::files, .linked = true};
    return std::nullopt;
}

}  // namespace

CommandWords part_command(const std::vector<std::string>& words, const SourceSeparators& use) {
    CommandWords parted;
    for (const std::string& word : words) {
        if (std::optional<SourceWords> source = introduction(word, use))
            parted.sources.push_back(std::move(*source));
        else if (parted.sources.empty()) parted.command.push_back(word);
        else parted.sources.back().words.push_back(word);
    }
    return parted;
}

}  // namespace fanfold::scatterer::cli
