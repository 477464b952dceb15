// Tables for people: columns as wide as they must be. Plain value.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fanfold::scatterer::cli {

class Table {
public:
    /// A heading that begins with '>' makes a column of numbers, aligned to the right.
    explicit Table(std::vector<std::string> headings);
    /// As many cells as there are columns; an empty one is shown as "-".
    void add(std::vector<std::string> cells);
    /// With a newline behind each line; no blanks at line ends.
    std::string text() const;

private:
    std::vector<bool> right_;
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace fanfold::scatterer::cli
