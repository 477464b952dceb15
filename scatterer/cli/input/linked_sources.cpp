#include "scatterer/cli/input/linked_sources.hpp"

#include <algorithm>

namespace fanfold::scatterer::cli {

Result<bool> LinkedSources::next(Columns& columns, const ColumnSeparator* separator) {
    columns.clear();
    for (auto& source : sources_) {
        std::string_view value;
        Result<bool> more = source->next(value);
        if (!more || !*more) return more;
        if (separator) separator->append(value, columns);
        else columns.emplace_back(value);
    }
    return true;
}

void LinkedSources::rewind() {
    for (auto& source : sources_) source->rewind();
}

void LinkedSources::begin_here() {
    for (auto& source : sources_) source->begin_here();
}

Source* LinkedSources::waits_for() {
    for (auto& source : sources_) {
        if (source->would_block()) return source.get();
        if (source->at_end()) return nullptr;
    }
    return nullptr;
}

bool LinkedSources::at_end() {
    return std::ranges::any_of(sources_, [](const auto& source) { return source->at_end(); });
}

std::optional<std::uint64_t> LinkedSources::count() const {
    std::optional<std::uint64_t> shortest;
    for (const auto& source : sources_) {
        std::optional<std::uint64_t> count = source->count();
        if (!count) return std::nullopt;
        if (!shortest || *count < *shortest) shortest = count;
    }
    return shortest;
}

}  // namespace fanfold::scatterer::cli
