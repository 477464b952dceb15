// Commands with replacement strings, and values of any bytes in them: what a value is never changes
// how the command line is read. The first line is options, the words of the command follow, one a
// line; an empty line ends them; then the values.
#include <algorithm>
#include <string>
#include <vector>

#include "scatterer/cli/command/shell_quoting.hpp"
#include "scatterer/cli/command/template.hpp"
#include "shared/base/result.hpp"
#include "tests/fuzz/bytes.hpp"
#include "tests/fuzz/target.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::scatterer::cli;

/// What sh makes of one word in single quotes, with \' between them; nothing for anything else.
std::string unquoted(std::string_view word) {
    std::string text;
    bool inside = false;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] == '\'') inside = !inside;
        else if (inside) text += word[i];
        else {
            FANFOLD_CHECK(word[i] == '\\' && i + 1 < word.size());
            text += word[++i];
        }
    }
    FANFOLD_CHECK(!inside);
    return text;
}

void check_quoting(std::string_view value) {
    std::string line;
    append_quoted(line, value);
    FANFOLD_CHECK(unquoted(line) == value);
    if (!needs_quotes(value))
        FANFOLD_CHECK(shell_quoted(value) == value &&
                      value.find_first_of("\n'\"\\$`;&|<>(){}*?[]#~ \t!") == value.npos);
}

bool ends_open(std::string_view line) {
    ShellScanner scanner;
    for (char c : line) scanner.read(c);
    return scanner.unclosed();
}
}  // namespace

FANFOLD_FUZZ_TARGET(cli_template) {
    fuzz::Bytes input(data, size);
    fuzz::Bytes setting(input.line());
    TemplateOptions options{.no_shell = setting.flag(), .pipe = setting.below(4) == 3};
    options.repeats = setting.flag();
    options.plus = setting.flag();
    if (setting.flag()) options.names = {"name", "n"};
    std::vector<std::string> words, values;
    while (!input.empty()) {
        std::string word(input.line());
        if (word.empty()) break;
        words.push_back(std::move(word));
    }
    while (!input.empty()) values.emplace_back(input.line());
    if (values.empty()) values.emplace_back();
    for (const std::string& value : values) check_quoting(value);
    if (words.empty()) return;

    const auto made = Template::make(words, options);
    if (!made) return FANFOLD_CHECK(!made.error().text.empty());
    const bool values_are_commands = words == std::vector<std::string>{"{}"};
    if (values_are_commands && made->uses_shell()) return;
    const auto command = made->argv(values, 7);
    const std::string display = made->display(values, 7);
    const std::vector<std::string> plain(values.size(), "x");
    const auto usual = made->argv(plain, 7);
    FANFOLD_CHECK(usual.has_value());
    if (!command) {  // only for what no argv can carry
        FANFOLD_CHECK(std::ranges::any_of(
            values, [](const auto& value) { return value.find('\0') != value.npos; }));
        return;
    }
    if (made->uses_shell()) {
        FANFOLD_CHECK(command->size() == 3 && usual->size() == 3);
        FANFOLD_CHECK(ends_open(command->back()) == ends_open(usual->back()));
    } else {
        // As many words as with plain values: no value becomes two words, or none.
        FANFOLD_CHECK(command->size() == usual->size());
    }
    for (const std::string& word : *command) FANFOLD_CHECK(word.find('\0') == word.npos);
}
