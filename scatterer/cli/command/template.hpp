// A command with replacement strings, made once from the words of COMMAND and filled in for every
// fragment. The replacement strings are those of GNU parallel. A fragment's values are the columns
// of its inputs, flat, in order. A filled-in command is an argv: {"/bin/sh", "-c", line}, or the
// program's own where no shell is needed. Immutable once made: any thread may fill it in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scatterer/cli/command/shell_quoting.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

struct TemplateOptions {
    bool no_shell = false;  // the words are the argv as they are; no shell reads them
    bool pipe = false;      // the input comes on stdin: nothing is appended, and only {#} is a
                            // replacement string
};

/// Replacement strings:
///   {}       all values; several are joined by blanks       {#}      the fragment's number, from 1
///   {.}      without extension (after the last . of the name)  {/}   without folders
///   {//}     the folder ("." when there is none)            {/.}     without folders and extension
///   {2} {2.} {2/} {2//} {2/.}   of the second value only; {-1} is the last value; one that is not
///   there gives nothing
/// Without any of them " {}" is appended.
///
/// The words joined by blanks are a line for sh. In it every value is quoted for the place where it
/// stands, in quotes or not, so that it reaches the command byte for byte and is never read as
/// syntax; places where that can't be done are refused. (A second interpreter gets the value raw:
/// in `ssh host "wc {}"` the remote shell reads it again.) A line of plain words whose first is no
/// builtin is split at its blanks and run directly, to the same effect. With no_shell a word that
/// is just {} becomes as many words as there are values; inside a longer word they are joined by
/// blanks.
class Template {
public:
    using Values = std::span<const std::string_view>;

    static Result<Template> make(const std::vector<std::string>& words,
                                 TemplateOptions options = {});

    /// Whether the text has a replacement string, known or not.
    static bool replaces(std::string_view text);

    /// The command for one fragment. `sequence` counts from 1. An error: a value has a NUL byte,
    /// which no argv can carry.
    Result<std::vector<std::string>> argv(Values values, std::uint64_t sequence) const;
    Result<std::vector<std::string>> argv(const std::vector<std::string>& values,
                                          std::uint64_t sequence) const;
    /// The command as one would type it, for --dry-run and the job log. It may hold newlines.
    std::string display(Values values, std::uint64_t sequence) const;
    std::string display(const std::vector<std::string>& values, std::uint64_t sequence) const;

    bool uses_shell() const { return mode_ == Mode::shell; }
    /// The template itself, as it was typed: the job's title.
    const std::string& title() const { return title_; }

private:
    enum class Mode { shell, split, words };  // by sh; a plain line split at its blanks; --no-shell
    enum class Kind { literal, all, position, sequence };
    enum class Change {
        none,
        extension,
        folders,
        name,
        both
    };  // what is taken off: {} {.} {/} {//} {/.}
    struct Piece {
        Kind kind = Kind::literal;
        std::string text{};  // of a literal; otherwise the replacement string as it was typed
        int position = 0;    // from 1, or from -1 backward
        Change change = Change::none;
        Quotes quotes = Quotes::none;  // where the piece stands in a shell's line
        bool alone = false;            // a word by itself: plain values may go without quotes
    };
    using Word = std::vector<Piece>;

    static Result<Word> parse(std::string_view text, bool pipe);
    static Result<Piece> replacement(std::string_view inner);
    static bool is_plain(const Word& line);
    static std::vector<Word> split(const Word& line);
    static Result<void> settle_quotes(Word& line);
    static std::string_view changed(std::string_view value, Change change);

    static std::vector<std::string_view> selected(const Piece& piece, Values values);
    static std::string text_of(const Piece& piece, Values values, std::uint64_t sequence);
    static void append_for_shell(const Piece& piece, Values values, std::uint64_t sequence,
                                 std::string& line);
    static void append_split(const Word& word, Values values, std::uint64_t sequence,
                             std::vector<std::string>& argv);
    static void append_word(const Word& word, Values values, std::uint64_t sequence,
                            std::vector<std::string>& argv);
    std::string line(Values values, std::uint64_t sequence) const;
    std::vector<std::string> words(Values values, std::uint64_t sequence) const;

    Mode mode_ = Mode::shell;
    std::string title_;
    std::vector<Word> words_;  // with Mode::shell one, the whole line
};

}  // namespace fanfold::scatterer::cli
