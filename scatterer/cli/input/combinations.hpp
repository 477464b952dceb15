// Every combination of several sources, the last one varying fastest. One thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "scatterer/cli/input/linked_sources.hpp"

namespace fanfold::scatterer::cli {

/// The product is never held: only sources after the first are gone through again, so the first may
/// be endless.
class Combinations {
public:
    /// Adds a source that crosses those before it, or with `linked` goes in step with the last one.
    void add(std::unique_ptr<Source> source, bool linked);
    bool empty() const { return groups_.empty(); }
    /// Cuts every input into columns.
    void separate(ColumnSeparator separator) { separator_ = std::move(separator); }

    /// Takes the first row of each source off, which are no inputs but the columns' names.
    Result<Columns> take_header();

    /// Appends the next combination's columns; false at the end.
    Result<bool> next(Columns& columns);
    /// The source that the next combination waits for; nullptr when it waits for none.
    Source* waits_for();
    /// How many there are in all, when that is known before reading.
    std::optional<std::uint64_t> count() const;

    /// Whether a combination is one value of one source, as it is.
    bool plain() const;
    /// With plain(), in place of next(): the value, valid until the next call.
    Result<bool> next_plain(std::string_view& value) { return groups_[0].first().next(value); }

private:
    Result<bool> begin();
    Result<bool> advance();
    Result<bool> next_row(std::size_t group);

    std::vector<LinkedSources> groups_;
    std::vector<Columns> rows_;  // each group's present one
    std::optional<ColumnSeparator> separator_;
    bool started_ = false;
    bool ended_ = false;
};

}  // namespace fanfold::scatterer::cli
