#include "scatterer/cli/output/table.hpp"

#include <algorithm>

#include "shared/base/result.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

Table::Table(std::vector<std::string> headings) {
    for (std::string& heading : headings) {
        right_.push_back(heading.starts_with('>'));
        cut_.push_back(heading.starts_with('~'));
        if (right_.back() || cut_.back()) heading.erase(0, 1);
    }
    rows_.push_back(std::move(headings));
}

void Table::add(std::vector<std::string> cells) {
    FANFOLD_CHECK(cells.size() == right_.size());
    for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
    rows_.push_back(std::move(cells));
}

namespace {

constexpr std::size_t gap = 2;  // between columns

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string cut(const std::string& cell, std::size_t most) {
    if (characters(cell) <= most) return cell;
    std::size_t end = 0;
    for (std::size_t left = most; left > 0; --left)
        end += character_length(std::string_view(cell).substr(end));
    while (end > 0 && characters(cell.substr(0, end)) + 1 > most) {
        do --end;
        while (end > 0 && !begins_character(cell[end]));
    }
    return cell.substr(0, end) + "…";
}

}  // namespace

/// The widest of the columns that may be cut gives way first, but its heading stays whole.
std::vector<std::size_t> Table::widths(std::size_t most) const {
    std::vector<std::size_t> widths(right_.size());
    for (const auto& row : rows_)
        for (std::size_t i = 0; i < row.size(); ++i)
            widths[i] = std::max(widths[i], characters(row[i]));
    std::size_t all = gap * (widths.size() - 1);
    for (std::size_t width : widths) all += width;
    while (all > most) {
        std::size_t widest = widths.size();
        for (std::size_t i = 0; i < widths.size(); ++i)
            if (cut_[i] && widths[i] > characters(rows_.front()[i]) &&
                (widest == widths.size() || widths[i] > widths[widest]))
                widest = i;
        if (widest == widths.size()) break;
        --widths[widest];
        --all;
    }
    return widths;
}

std::string Table::text(std::size_t most) const {
    const std::vector<std::size_t> widths = this->widths(most);
    std::string text;
    for (const auto& row : rows_) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string cell = cut(row[i], widths[i]);
            const std::string blanks(widths[i] - characters(cell), ' ');
            line +=
                (i > 0 ? std::string(gap, ' ') : "") + (right_[i] ? blanks + cell : cell + blanks);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + '\n';
    }
    return text;
}

}  // namespace fanfold::scatterer::cli
