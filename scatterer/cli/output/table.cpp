#include "scatterer/cli/output/table.hpp"

#include <algorithm>

#include "shared/base/result.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

Table::Table(std::vector<std::string> headings) {
    for (std::string& heading : headings) {
        right_.push_back(heading.starts_with('>'));
        if (right_.back()) heading.erase(0, 1);
    }
    rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) {
    FANFOLD_CHECK(cells.size() == right_.size());
    for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
    rows_.push_back(std::move(cells));
}

std::string Table::text() const {
    std::vector<std::size_t> widths(right_.size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            std::string blanks(widths[i] - row[i].size(), ' ');
            line += (i > 0 ? "  " : "") + (right_[i] ? blanks + row[i] : row[i] + blanks);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

}  // namespace fanfold::scatterer::cli
