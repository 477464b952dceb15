#include "scatterer/cli/input/columns.hpp"

#include <array>

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

std::string_view trimmed(std::string_view text) {
    std::size_t begin = text.find_first_not_of(" \t");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t") + 1 - begin);
}

}  // namespace

void ColumnSeparator::Free::operator()(regex_t* expression) const {
    ::regfree(expression);
    std::default_delete<regex_t>()(expression);
}

Result<ColumnSeparator> ColumnSeparator::make(const std::string& expression) {
    ColumnSeparator separator;
    std::string posix = to_posix(expression);
    if (posix.size() == 2 && posix[0] == '\\' &&
        std::string_view(".|*+?^$()[]{}\\").find(posix[1]) != std::string_view::npos)
        separator.single_ = posix[1];
    else if (posix.size() == 1 &&
             std::string_view(".|*+?^$()[]{}\\").find(posix[0]) == std::string_view::npos)
        separator.single_ = posix[0];
    if (separator.single_ != '\0') return separator;

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
    if (single_ != '\0') {
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

void ColumnSeparator::append(std::string_view input, std::vector<std::string>& columns) const {
    std::size_t column = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
    while (column < input.size() && find(input, column, begin, end)) {
        columns.emplace_back(trimmed(input.substr(column, begin - column)));
        column = end;
    }
    columns.emplace_back(trimmed(input.substr(column)));
}

}  // namespace fanfold::scatterer::cli
