#include "scatterer/cli/command/shell_quoting.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace fanfold::scatterer::cli {
namespace {

constexpr std::string_view plain_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./,:=@%+-";

// Plain wherever they stand in a word; built once, for values are checked by the million.
constexpr auto plain_table = [] {
    std::array<bool, 256> table{};
    for (char c : plain_characters) table[static_cast<unsigned char>(c)] = true;
    return table;
}();

constexpr std::array<std::string_view, 18> reserved_words{
    "if",    "then",  "else", "elif", "fi",   "do",     "done",     "case",   "esac",
    "while", "until", "for",  "in",   "time", "select", "function", "coproc", "!"};

constexpr std::array<std::string_view, 47> builtins{
    ".",        ":",       "alias",  "bg",     "break",   "builtin", "cd",    "command",
    "continue", "declare", "dirs",   "disown", "echo",    "enable",  "eval",  "exec",
    "exit",     "export",  "fc",     "fg",     "getopts", "hash",    "help",  "history",
    "jobs",     "kill",    "let",    "local",  "popd",    "pushd",   "pwd",   "read",
    "readonly", "return",  "set",    "shift",  "shopt",   "source",  "times", "trap",
    "type",     "typeset", "ulimit", "umask",  "unalias", "unset",   "wait"};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n'; }

template <std::size_t Count>
bool has(const std::array<std::string_view, Count>& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_reserved(std::string_view word) { return word.size() <= 8 && has(reserved_words, word); }

}  // namespace

void append_quoted(std::string& line, std::string_view text) {
    line += '\'';
    for (std::size_t quote; (quote = text.find('\'')) != std::string_view::npos;
         text.remove_prefix(quote + 1))
        line.append(text.substr(0, quote)).append("'\\''");
    line.append(text) += '\'';
}

bool needs_quotes(std::string_view text) {
    if (text.empty()) return true;
    bool equals = false;
    for (char c : text) {
        if (!plain_table[static_cast<unsigned char>(c)]) return true;
        equals |= c == '=';
    }
    // NAME=value in the first place would be an assignment; -x=1 and ./a=1 can't be one.
    if (equals && text[0] != '-' && text[0] != '.' && text[0] != '/') return true;
    return is_reserved(text);
}

std::string shell_quoted(std::string_view text) {
    if (!needs_quotes(text)) return std::string(text);
    std::string line;
    append_quoted(line, text);
    return line;
}

bool shell_runs_itself(std::string_view first_word) {
    return first_word.find_first_of("=%") != std::string_view::npos || is_reserved(first_word) ||
           has(builtins, first_word);
}

Quotes ShellScanner::quotes() const {
    if (inside(Frame::single)) return Quotes::single;
    return inside(Frame::two) ? Quotes::two : Quotes::none;
}

const char* ShellScanner::obstacle() const {
    if (lost_) return lost_;
    if (comment_) return "it stands in a comment";
    for (const Open& open : open_) {
        if (open.frame == Frame::backticks) return "it stands in backticks; write $(…) instead";
        if (open.frame == Frame::braces)
            return "it stands in ${…}; give the value to a variable first";
        if (open.frame == Frame::arithmetic)
            return "it stands in $((…)); give the value to a variable first";
    }
    if (escaped_) return "a backslash stands before it";
    if (dollar_ || (inside(Frame::single) && previous_ == '$'))
        return "a $ stands before it; leave out the braces where the shell's own parameter is "
               "meant";
    return nullptr;
}

bool ShellScanner::unclosed() const { return !lost_ && !here_document_waits_ && !open_.empty(); }

bool ShellScanner::inside(Frame frame) const {
    return !open_.empty() && open_.back().frame == frame;
}

void ShellScanner::read(char c) {
    if (inside(Frame::single)) {
        previous_ = c;
        if (c == '\'') close();
        return;
    }
    if (comment_) {
        comment_ = c != '\n';
        if (comment_) return;
    }
    if (escaped_) return read_escaped(c);
    if (c == '\\') {
        escaped_ = true;
        return;
    }
    if (inside(Frame::backticks)) {
        if (c == '`') close();
        return;
    }
    if (dollar_ && read_dollar(c)) return;
    dollar_ = c == '$';
    if (c == '`') return open(Frame::backticks);
    if (inside(Frame::two)) {
        if (c == '"') close();
        return;
    }
    read_plain(c);
}

/// What has ended is a part of a word, which goes on after it.
void ShellScanner::close() {
    open_.pop_back();
    word_ = previous_ = 'x';
}

void ShellScanner::read_escaped(char c) {
    escaped_ = false;
    const bool after_dollar = std::exchange(dollar_, false);
    if (c != '\n') {
        word_ += c;
        previous_ = 'x';
    } else if (after_dollar) {
        lost_ =
            "a $ and a line end behind a backslash stand before it, which shells read in different "
            "ways";
    }  // else the line goes on as if neither character were there
}

// What a $ introduces; true when that takes the character.
bool ShellScanner::read_dollar(char c) {
    dollar_ = false;
    if (c == '(' || c == '{') {
        open(c == '(' ? Frame::substitution : Frame::braces);
        word_.clear();
        previous_ =
            c == '(' ? '$' : '{';  // '$': an arithmetic expression opens when another ( follows
        return true;
    }
    if (c == '\'' && !inside(Frame::two))
        lost_ = "$'…' stands before it, which shells read in different ways";
    if (c == '[')
        lost_ = "$[…] stands before it, which shells read in different ways; write $((…))";
    return false;
}

// A character outside of quotes: at the top, in a $(…), in a ${…} or in a $((…)).
void ShellScanner::read_plain(char c) {
    if (inside(Frame::arithmetic) && (c == '"' || c == '\''))
        lost_ = "quotes inside $((…)) stand before it, which shells read in different ways";
    if (c == '"') open(Frame::two);
    if (c == '\'') {
        bool between_two = inside(Frame::braces) && open_.size() > 1 &&
                           open_[open_.size() - 2].frame == Frame::two;
        if (between_two)
            lost_ = "quotes inside \"${…}\" stand before it, which shells read in different ways";
        open(Frame::single);
    }
    if (c == '}' && inside(Frame::braces)) return close();
    bool command = !inside(Frame::braces) && !inside(Frame::arithmetic);
    if (c == '#' && command && word_.empty()) {
        comment_ = true;
        return;
    }
    if (c == '<' && previous_ == '<' && command) here_document_waits_ = true;
    if (c == '\n' && here_document_waits_)
        lost_ = "a here-document stands before it; use a pipe from printf instead";
    read_word(c);
    read_parenthesis(c);
    previous_ = c;
}

void ShellScanner::read_word(char c) {
    if (!is_blank(c) && std::string_view(";&|<>()").find(c) == std::string_view::npos) {
        word_ += c;
        return;
    }
    // The patterns of a case have unpaired parentheses, so the end of the $(…) would be guessed
    // wrong.
    if (word_ == "case" && !open_.empty()) lost_ = "a case inside $(…) stands before it";
    word_.clear();
}

void ShellScanner::read_parenthesis(char c) {
    if (c == '(' && previous_ == '(' && !inside(Frame::arithmetic))
        lost_ = "(( stands before it, which shells read in different ways";
    if (open_.empty() || (c != '(' && c != ')')) return;
    Open& innermost = open_.back();
    if (innermost.frame == Frame::substitution && c == '(' && previous_ == '$') {
        innermost = {Frame::arithmetic, 1};
    } else if (innermost.frame == Frame::substitution || innermost.frame == Frame::arithmetic) {
        if (c == '(') ++innermost.parentheses;
        if (c == ')' && innermost.parentheses-- == 0) close();
    }
}

}  // namespace fanfold::scatterer::cli
