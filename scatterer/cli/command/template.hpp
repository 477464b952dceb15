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

#include "scatterer/cli/command/pieces.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// Replacement strings:
///   {}       all values; several are joined by blanks       {#}      the fragment's number, from 1
///   {.}      without extension (after the last . of the name)  {/}   without folders
///   {//}     the folder ("." when there is none)            {/.}     without folders and extension
///   {2} {2.} {2/} {2//} {2/.}   of the second value only; {-1} is the last value; one that is not
///   there gives nothing                                    {%}      the slot that runs it, which
///   the worker names: only in a line for the shell
/// Without any of them " {}" is appended. A command of {} alone, or none at all: the inputs are
/// commands themselves, lines for sh that nobody quotes.
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
    static bool replaces(std::string_view text, const TemplateOptions& use = {});

    /// The command for one fragment. `sequence` counts from 1. An error: a value has a NUL byte,
    /// which no argv can carry.
    Result<std::vector<std::string>> argv(Values values, std::uint64_t sequence) const;
    Result<std::vector<std::string>> argv(const std::vector<std::string>& values,
                                          std::uint64_t sequence) const;
    /// The command as one would type it, for --dry-run and the job log. It may hold newlines.
    std::string display(Values values, std::uint64_t sequence) const;
    std::string display(const std::vector<std::string>& values, std::uint64_t sequence) const;

    bool uses_shell() const { return mode_ != Mode::split && mode_ != Mode::words; }
    /// The template itself, as it was typed: the job's title.
    const std::string& title() const { return title_; }

private:
    enum class Mode {
        shell,   // a line for sh
        split,   // a plain line, split at its blanks
        quoted,  // likewise, for sh: its first word is one that only a shell can run
        words,   // --no-shell
        input,   // the input itself is the line for sh
    };

    Result<void> take_words(const std::vector<std::string>& words, const TemplateOptions& use);
    Result<void> take_line(const TemplateOptions& use);

    static std::vector<std::string_view> selected(const Piece& piece, Values values);
    static std::string text_of(const Piece& piece, Values values, std::uint64_t sequence);
    static void append_for_shell(const Piece& piece, Values values, std::uint64_t sequence,
                                 std::string& line);
    static void append_repeated(const Word& word, Values values, std::uint64_t sequence,
                                std::vector<std::string>& argv);
    static void append_split(const Word& word, Values values, std::uint64_t sequence,
                             std::vector<std::string>& argv);
    static void append_word(const Word& word, Values values, std::uint64_t sequence,
                            std::vector<std::string>& argv);
    std::string line(Values values, std::uint64_t sequence) const;
    std::vector<std::string> words(Values values, std::uint64_t sequence) const;

    Mode mode_ = Mode::shell;
    bool repeats_ = false;
    std::string title_;
    std::vector<Word> words_;  // with Mode::shell one, the whole line
};

}  // namespace fanfold::scatterer::cli
