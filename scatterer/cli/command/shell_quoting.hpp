// What the command line must know of the shell's language: how text is quoted for sh, and in which
// quotes each place of a command line stands, so that a value can be put there without ever being
// read as syntax. Pure, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fanfold::scatterer::cli {

/// Appends the text in single quotes: any bytes but NUL come through sh unchanged. An empty text
/// becomes ''.
void append_quoted(std::string& line, std::string_view text);

/// True unless sh takes the text as one plain word, whatever its place: no special character, no
/// reserved word, not what could be an assignment.
bool needs_quotes(std::string_view text);

/// The text as one would type it: as it is, or in single quotes where it needs them.
std::string shell_quoted(std::string_view text);

/// True for a first word that a shell runs by itself, or that means something else there than the
/// program of this name.
bool shell_runs_itself(std::string_view first_word);

/// The quotes around a place in a command line.
enum class Quotes {
    none,    // plain text of the command line
    single,  // inside '…'
    two,     // inside "…"
};

/// Reads a command line from left to right, one character after the other, and tells in what quotes
/// it stands. It knows '…', "…", backslashes, $(…), comments and the start of here-documents; where
/// a value can't be quoted safely (in backticks, ${…}, $((…)), a here-document, a comment, after a
/// lone $ or backslash), it says so.
class ShellScanner {
public:
    void read(char c);
    Quotes quotes() const;
    /// Why no value may stand here; nullptr where one may.
    const char* obstacle() const;
    /// At the line's end: a quote, $(, ${ or backtick was opened and not closed.
    bool unclosed() const;

private:
    enum class Frame : char { substitution, single, two, backticks, braces, arithmetic };
    struct Open {
        Frame frame;
        int parentheses;
    };

    bool inside(Frame frame) const;
    void read_plain(char c);
    void read_word(char c);
    void read_parenthesis(char c);
    bool read_dollar(char c);
    void read_escaped(char c);
    void open(Frame frame, int parentheses = 0) { open_.push_back({frame, parentheses}); }
    void close();

    std::vector<Open> open_;  // innermost last; empty: the top of the command line
    std::string word_;        // the plain word so far
    char previous_ = '\n';    // the last character of plain text
    bool escaped_ = false;    // a backslash waits for its character
    bool dollar_ = false;     // a $ waits for what it introduces
    bool comment_ = false;
    bool here_document_waits_ = false;  // << was read; its text starts with the next line
    const char* lost_ = nullptr;        // from here on the scanner does not vouch for what it says
};

}  // namespace fanfold::scatterer::cli
