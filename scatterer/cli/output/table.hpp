// Tables for people: columns as wide as they must be. Plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fanfold::scatterer::cli {

class Table {
public:
    /// A heading that begins with '>' makes a column of numbers, aligned to the right; one with '~'
    /// a column whose cells are cut where the table would be too wide.
    explicit Table(std::vector<std::string> headings);
    /// As many cells as there are columns; an empty one is shown as "-".
    void add(std::vector<std::string> cells);
    /// With a newline behind each line; no blanks at line ends. Lines are of so many characters at
    /// most, if cutting helps.
    std::string text(std::size_t most = SIZE_MAX) const;

private:
    std::vector<std::size_t> widths(std::size_t most) const;

    std::vector<bool> right_;
    std::vector<bool> cut_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace fanfold::scatterer::cli
