// Sources that advance together (:::+ and ::::+). One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scatterer/cli/input/columns.hpp"
#include "scatterer/cli/input/source.hpp"

namespace fanfold::scatterer::cli {

/// The columns of one input.
using Columns = std::vector<std::string>;

/// A row has a value of each source, and the shortest source ends the rows.
class LinkedSources {
public:
    void add(std::unique_ptr<Source> source) { sources_.push_back(std::move(source)); }
    Source& first() { return *sources_.front(); }
    std::size_t size() const { return sources_.size(); }

    /// Sets `columns` to the next row, each value cut by the separator if there is one; false at
    /// the end.
    Result<bool> next(Columns& columns, const ColumnSeparator* separator);
    void rewind();
    void begin_here();
    /// The source that the next row waits for; nullptr when it waits for none.
    Source* waits_for();
    bool at_end();
    std::optional<std::uint64_t> count() const;

private:
    std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace fanfold::scatterer::cli
