#include "shared/program/help_formatter.hpp"

#include <utility>

namespace fanfold {

namespace {
constexpr std::size_t columns = 98;
constexpr std::size_t name_columns = 34;
}  // namespace

HelpFormatter::HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(name_columns);
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
    if (usage_.empty()) return Formatter::make_usage(app, std::move(name));
    return "\nUsage: " + usage_ + "\n";
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
    std::string text = option->get_description();
    for (std::size_t line = 0; text.size() - line > columns - name_columns;) {
        std::size_t blank = text.rfind(' ', line + columns - name_columns);
        if (blank == std::string::npos || blank <= line) break;
        text[blank] = '\n';
        line = blank + 1;
    }
    return text;
}

}  // namespace fanfold
