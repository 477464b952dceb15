#include "scatterer/cli/input/columns.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fanfold::scatterer::cli {
namespace {

// Turns \t, \n and \d, which POSIX lacks, into what it knows; inside brackets also \s and \w.
std::string to_posix(std::string_view text) {
    std::string posix;
    bool brackets = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c != '\\' || i + 1 == text.size()) {
            if (c == '[') brackets = true;
            if (c == ']') brackets = false;
            posix += c;
            continue;
        }
        char escaped = text[++i];
        if (escaped == 't') posix += '\t';
        else if (escaped == 'n') posix += '\n';
        else if (escaped == 'd') posix += brackets ? "0-9" : "[0-9]";
        else if (escaped == 's' && brackets) posix += "[:space:]";
        else if (escaped == 'w' && brackets) posix += "[:alnum:]_";
        else if (brackets) posix += escaped;
        else posix.append("\\") += escaped;
    }
    return posix;
}

}  // namespace

void ColumnSeparator::Free::operator()(regex_t* expression) const {
    ::regfree(expression);
    std::default_delete<regex_t>()(expression);
}

ColumnSeparator ColumnSeparator::csv(char separator, Trim trim) {
    return ColumnSeparator(Kind::csv, trim, separator);
}

ColumnSeparator ColumnSeparator::whole(Trim trim) { return ColumnSeparator(Kind::whole, trim); }

Result<ColumnSeparator> ColumnSeparator::make(const std::string& expression, Trim trim) {
    const std::string posix = to_posix(expression);
    const auto is_special = [](char c) {
        return std::string_view(".|*+?^$()[]{}\\").find(c) != std::string_view::npos;
    };
    if (posix.size() == 2 && posix[0] == '\\' && is_special(posix[1]))
        return ColumnSeparator(Kind::character, trim, posix[1]);
    if (posix.size() == 1 && !is_special(posix[0]))
        return ColumnSeparator(Kind::character, trim, posix[0]);

    ColumnSeparator separator(Kind::expression, trim);
    auto compiled = std::make_unique<regex_t>();
    if (int error = ::regcomp(compiled.get(), posix.c_str(), REG_EXTENDED); error != 0) {
        std::array<char, 200> reason{};
        ::regerror(error, compiled.get(), reason.data(), reason.size());
        return fail("bad --colsep '" + expression + "': " + reason.data() +
                    "; it is an extended regular expression");
    }
    separator.expression_.reset(compiled.release());
    std::size_t begin = 0;
    std::size_t end = 0;
    if (separator.find("", 0, begin, end))
        return fail("bad --colsep '" + expression +
                    "': it matches an empty text; a special character stands for itself after a "
                    "backslash, as in '\\|'");
    return separator;
}

// The first match at or after `from`. An empty match, at ^ or a word's border, is none.
bool ColumnSeparator::find(std::string_view input, std::size_t from, std::size_t& begin,
                           std::size_t& end) const {
    if (kind_ == Kind::character) {
        begin = input.find(single_, from);
        end = begin + 1;
        return begin != std::string_view::npos;
    }
    regmatch_t match{};
    match.rm_so = static_cast<regoff_t>(from);
    match.rm_eo = static_cast<regoff_t>(input.size());
    if (::regexec(expression_.get(), input.data(), 1, &match, REG_STARTEND) != 0) return false;
    begin = static_cast<std::size_t>(match.rm_so);
    end = static_cast<std::size_t>(match.rm_eo);
    return input.empty() || end > begin;
}

std::string ColumnSeparator::trimmed(std::string_view column) const {
    constexpr const char* blanks = " \t";
    if (trim_.left) column.remove_prefix(std::min(column.find_first_not_of(blanks), column.size()));
    if (trim_.right) column = column.substr(0, column.find_last_not_of(blanks) + 1);
    return std::string(column);
}

// Whatever follows a closing quote belongs to the column as it is.
void ColumnSeparator::append_csv(std::string_view input, std::vector<std::string>& columns) const {
    std::string column;
    bool quoted = false;
    for (std::size_t i = 0; i < input.size(); ++i) {
        const char c = input[i];
        if (quoted && c == '"' && i + 1 < input.size() && input[i + 1] == '"') column += input[++i];
        else if (c == '"' && (quoted || column.empty())) quoted = !quoted;
        else if (c == single_ && !quoted) columns.push_back(trimmed(std::exchange(column, {})));
        else column += c;
    }
    columns.push_back(trimmed(column));
}

void ColumnSeparator::append(std::string_view input, std::vector<std::string>& columns) const {
    if (kind_ == Kind::csv) return append_csv(input, columns);
    std::size_t column = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    while (kind_ != Kind::whole && column < input.size() && find(input, column, begin, end)) {
        columns.push_back(trimmed(input.substr(column, begin - column)));
        column = end;
    }
    columns.push_back(trimmed(input.substr(column)));
}

}  // namespace fanfold::scatterer::cli
