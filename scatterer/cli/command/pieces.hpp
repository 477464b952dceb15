// A command's text, cut into what stays as it is and what is replaced. Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scatterer/cli/command/path_change.hpp"
#include "scatterer/cli/command/shell_quoting.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

struct TemplateOptions {
    bool no_shell = false;     // the words are the argv as they are; no shell reads them
    bool pipe = false;         // the input comes on stdin: nothing is appended, and only {#} is a
                               // replacement string
    bool repeats = false;      // a word with {} in it stands once for each value: -X
    bool plus = false;         // {..} {...} {/..} {/...} {+/} {+.} {+..} {+...} are some, too
    std::string input = "{}";  // what stands for the input; -I
    std::vector<std::string> names{};  // of columns: {name}, {name.}, …
};

struct Piece {
    enum class Kind { literal, all, position, sequence, slot };
    Kind kind = Kind::literal;
    std::string text{};  // of a literal; otherwise the replacement string as it was typed
    int position = 0;    // from 1, or from -1 backward
    PathChange change{};
    Quotes quotes = Quotes::none;  // where the piece stands in a shell's line
    bool alone = false;            // a word by itself: plain values may go without quotes
};

using Word = std::vector<Piece>;

/// Literals and replacement strings, no two literals one after the other.
Result<Word> parse_word(std::string_view text, const TemplateOptions& use);
/// Whether the text has a replacement string.
bool has_replacement(const Word& word);

/// Whether a shell would do no more with the line than to split it at its blanks and run the first
/// word.
bool is_plain(const Word& line);
/// Whether the first word of a plain line is a program, and not something that the shell runs
/// itself.
bool begins_with_program(const Word& line);
/// Cuts a plain line at its blanks. The line has at least one word.
std::vector<Word> split(const Word& line);

/// Gives each replacement string in a shell's line the quotes that it stands in, or says why it
/// can't be filled in.
Result<void> settle_quotes(Word& line, const TemplateOptions& use);

}  // namespace fanfold::scatterer::cli
