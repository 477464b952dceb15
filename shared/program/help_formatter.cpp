#include "shared/program/help_formatter.hpp"

#include <utility>

namespace fanfold {

namespace {
constexpr std::size_t columns = 80;
constexpr std::size_t name_columns = 28;

/// The text in lines of so many characters, cut between words.
std::string filled(std::string text, std::size_t width) {
    auto is_continuation = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
    std::size_t characters = 0;  // of this line
    std::size_t last_gap = std::string::npos;
    std::size_t since_gap = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] == '\n') text[at] = ' ';
        if (is_continuation(text[at])) continue;
        ++characters;
        ++since_gap;
        if (text[at] == ' ') last_gap = at, since_gap = 0;
        if (characters <= width || last_gap == std::string::npos) continue;
        text[last_gap] = '\n';
        characters = since_gap;
        last_gap = std::string::npos;
    }
    return text;
}
}  // namespace

HelpFormatter::HelpFormatter(std::string usage) : usage_(std::move(usage)) {
    column_width(name_columns);
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
    if (usage_.empty()) return '\n' + Formatter::make_usage(app, std::move(name));
    return "\nUsage: " + usage_ + "\n";
}

std::string HelpFormatter::make_help(const CLI::App* app, std::string name,
                                     CLI::AppFormatMode mode) const {
    std::string text = Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at = 0; (at = text.find("\n\n\n", at)) != std::string::npos;)
        text.erase(at, 1);
    return text;
}

std::string HelpFormatter::make_description(const CLI::App* app) const {
    return filled(app->get_description(), columns) + '\n';
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
    if (option->get_type_size() == 0) return {};
    const std::string type = option->get_type_name();
    return type.starts_with("UINT") || type.starts_with("INT") ? " N" : ' ' + type;
}

std::string HelpFormatter::make_option_desc(const CLI::Option* option) const {
    std::string text = option->get_description();
    if (const std::string usual = option->get_default_str(); !usual.empty())
        text += " [" + usual + ']';
    return filled(text, columns - name_columns);
}

}  // namespace fanfold
