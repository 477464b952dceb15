#include "scatterer/cli/input/combinations.hpp"

#include <limits>

namespace fanfold::scatterer::cli {

void Combinations::add(std::unique_ptr<Source> source, bool linked) {
    if (!linked) groups_.emplace_back();
    groups_.back().add(std::move(source));
}

bool Combinations::plain() const {
    return groups_.size() == 1 && groups_[0].size() == 1 && !separator_;
}

Result<bool> Combinations::next_row(std::size_t group) {
    return groups_[group].next(rows_[group], separator_ ? &*separator_ : nullptr);
}

Result<Columns> Combinations::take_header() {
    Columns header;
    Columns row;
    for (LinkedSources& group : groups_) {
        Result<bool> more = group.next(row, separator_ ? &*separator_ : nullptr);
        if (!more) return tl::unexpected(more.error());
        if (!*more) return fail("--header: a source has no first line, which names its columns");
        group.begin_here();
        header.insert(header.end(), row.begin(), row.end());
    }
    return header;
}

/// Reads each group's first row; false when a group has none, for then there is no combination.
Result<bool> Combinations::begin() {
    started_ = true;
    rows_.resize(groups_.size());
    for (std::size_t i = 0; i < groups_.size(); ++i)
        if (Result<bool> more = next_row(i); !more || !*more) return more;
    return true;
}

/// Advances the last group; one that is at its end begins again, and the one before it advances.
Result<bool> Combinations::advance() {
    Result<bool> more = true;
    std::size_t place = groups_.size() - 1;
    while ((more = next_row(place)) && !*more && place > 0) {
        groups_[place].rewind();
        if (more = next_row(place); !more) break;
        --place;
    }
    return more;
}

Result<bool> Combinations::next(Columns& columns) {
    if (ended_) return false;
    Result<bool> more = started_ ? advance() : begin();
    ended_ = !more || !*more;
    if (ended_) return more;
    for (const Columns& row : rows_) columns.insert(columns.end(), row.begin(), row.end());
    return true;
}

Source* Combinations::waits_for() {
    if (ended_) return nullptr;
    for (std::size_t i = groups_.size(); i-- > 0;) {
        if (Source* source = groups_[i].waits_for()) return source;
        // Once begun, a group before this one advances only when this one is at its end.
        if (started_ != groups_[i].at_end()) return nullptr;
    }
    return nullptr;
}

std::optional<std::uint64_t> Combinations::count() const {
    constexpr std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t product = 1;
    for (const LinkedSources& group : groups_) {
        std::optional<std::uint64_t> count = group.count();
        if (!count) return std::nullopt;
        if (*count == 0) return 0;
        if (product > most / *count) return std::nullopt;
        product *= *count;
    }
    return product;
}

}  // namespace fanfold::scatterer::cli
