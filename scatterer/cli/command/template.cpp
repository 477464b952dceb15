#include "scatterer/cli/command/template.hpp"

#include <algorithm>
#include <charconv>

#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/base/words.hpp"
#include "scatterer/cli/command/unknown_replacements.hpp"

namespace fanfold::scatterer::cli {
namespace {

bool is_gap(char c) { return c == ' ' || c == '\t'; }

// As dirname(1) has it: slashes at the end do not count.
std::string_view folder_of(std::string_view path) {
    std::size_t end = path.find_last_not_of('/');
    if (end == std::string_view::npos) return path.empty() ? "." : "/";
    std::size_t slash = path.rfind('/', end);
    if (slash == std::string_view::npos) return ".";
    end = path.find_last_not_of('/', slash);
    return end == std::string_view::npos ? "/" : path.substr(0, end + 1);
}

std::string_view without_folders(std::string_view path) { return path.substr(path.rfind('/') + 1); }

std::string_view without_extension(std::string_view path) {
    std::size_t mark = path.find_last_of("./");
    return mark != std::string_view::npos && path[mark] == '.' ? path.substr(0, mark) : path;
}

std::vector<std::string_view> views(const std::vector<std::string>& values) {
    return {values.begin(), values.end()};
}

}  // namespace

std::string_view Template::changed(std::string_view value, Change change) {
    switch (change) {
        case Change::none: return value;
        case Change::extension: return without_extension(value);
        case Change::folders: return without_folders(value);
        case Change::name: return folder_of(value);
        case Change::both: return without_extension(without_folders(value));
    }
    return value;
}

// What stands between { and }. A literal piece when it is no replacement string at all.
Result<Template::Piece> Template::replacement(std::string_view inner) {
    Piece piece{.kind = Kind::all, .text = '{' + std::string(inner) + '}'};
    if (inner == "#") {
        piece.kind = Kind::sequence;
        return piece;
    }
    if (inner == "%" || inner == "##")
        return fail("replacement string " + piece.text +
                    " is not supported: fragments run on any worker's slots, and the input "
                    "may still be growing" +
                    those_there_are);
    const char* end = inner.data() + inner.size();
    auto [rest, error] = std::from_chars(inner.data(), end, piece.position);
    bool has_number = error == std::errc();
    if (has_number && piece.position == 0)
        return fail("replacement string " + piece.text +
                    ": values are counted from 1, or from -1 backward");
    if (has_number) piece.kind = Kind::position;
    std::string_view change =
        has_number ? std::string_view(rest, static_cast<std::size_t>(end - rest)) : inner;
    if (change.empty()) return piece;
    if (change == ".") piece.change = Change::extension;
    else if (change == "/") piece.change = Change::folders;
    else if (change == "//") piece.change = Change::name;
    else if (change == "/.") piece.change = Change::both;
    else piece.kind = Kind::literal;
    if (piece.kind == Kind::literal && looks_replaceable(inner))
        return fail("unknown replacement string " + piece.text + those_there_are);
    return piece;
}

// Cuts a text into literals and replacement strings. No two literals follow one another.
Result<Template::Word> Template::parse(std::string_view text, bool pipe) {
    Word word;
    auto add_literal = [&](std::string_view literal) {
        if (word.empty() || word.back().kind != Kind::literal) word.push_back({});
        word.back().text += literal;
    };
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with("{=") && text.find("=}", at + 2) != std::string_view::npos)
            return fail("unknown replacement string {= … =}" + std::string(those_there_are));
        std::size_t close = text[at] == '{'
                                ? text.substr(at, limits::replacement_characters).find('}')
                                : std::string_view::npos;
        if (close == std::string_view::npos) {
            add_literal(text.substr(at++, 1));
            continue;
        }
        std::string_view inner = text.substr(at + 1, close - 1);
        Result<Piece> piece = pipe && inner != "#" ? Piece{} : replacement(inner);
        if (!piece) return tl::unexpected(piece.error());
        if (piece->kind == Kind::literal) {
            add_literal(text.substr(at++, 1));
            continue;
        }
        word.push_back(*piece);
        at += close + 1;
    }
    return word;
}

// True when a shell would do no more with the line than to split it at its blanks and start the
// program.
bool Template::is_plain(const Word& line) {
    for (const Piece& piece : line) {
        if (piece.kind != Kind::literal) continue;
        auto special = [](char c) {
            return !is_gap(c) && c != '=' && needs_quotes(std::string_view(&c, 1));
        };
        if (std::any_of(piece.text.begin(), piece.text.end(), special)) return false;
    }
    Word first = split(line).front();
    return first.size() == 1 && first[0].kind == Kind::literal && !shell_runs_itself(first[0].text);
}

// Cuts a plain line at its blanks. The line has at least one word.
std::vector<Template::Word> Template::split(const Word& line) {
    std::vector<Word> words;
    bool inside = false;
    auto current = [&]() -> Word& {
        if (!inside) words.emplace_back();
        inside = true;
        return words.back();
    };
    for (const Piece& piece : line) {
        if (piece.kind != Kind::literal) {
            current().push_back(piece);
            continue;
        }
        for (char c : piece.text) {
            if (is_gap(c)) {
                inside = false;
                continue;
            }
            Word& word = current();
            if (word.empty() || word.back().kind != Kind::literal) word.push_back({});
            word.back().text += c;
        }
    }
    return words;
}

// Gives each replacement string in a shell's line the quotes that it stands in, or says why it
// can't be filled in.
Result<void> Template::settle_quotes(Word& line) {
    ShellScanner scanner;
    auto ends_blank = [](const Piece& piece) {
        return piece.kind == Kind::literal && is_gap(piece.text.back());
    };
    auto begins_blank = [](const Piece& piece) {
        return piece.kind == Kind::literal && is_gap(piece.text.front());
    };
    for (std::size_t i = 0; i < line.size(); ++i) {
        Piece& piece = line[i];
        if (piece.kind == Kind::literal) {
            if (const auto name = bare_name(piece.text, scanner); !name.empty())
                return fail("unknown replacement string " + std::string(name) + those_there_are +
                            "; to mean the text itself, put it in quotes");
            for (char c : piece.text) scanner.read(c);
            continue;
        }
        if (const char* obstacle = scanner.obstacle())
            return fail("replacement string " + piece.text +
                        " can't be quoted safely where it stands: " + obstacle);
        piece.quotes = scanner.quotes();
        piece.alone = piece.quotes == Quotes::none && (i == 0 || ends_blank(line[i - 1])) &&
                      (i + 1 == line.size() || begins_blank(line[i + 1]));
        scanner.read('x');  // a value is a part of a word
    }
    if (scanner.unclosed())
        return fail("the command opens a quote, $(, ${ or backtick and does not close it");
    return {};
}

bool Template::replaces(std::string_view text) {
    const Result<Word> word = parse(text, false);
    return !word || std::any_of(word->begin(), word->end(),
                                [](const Piece& piece) { return piece.kind != Kind::literal; });
}

Result<Template> Template::make(const std::vector<std::string>& words, TemplateOptions options) {
    Template made;
    if (words.empty())
        return fail(
            "no command given; write it before the sources, as in: fanfold map wc -l {} ::: FILE…");
    for (const std::string& word : words)
        if (word.find('\0') != std::string::npos)
            return fail("the command has a NUL byte, which no command line can carry");
    made.title_ = joined(words);
    if (made.title_.find_first_not_of(" \t\n") == std::string::npos && !options.no_shell)
        return fail("the command is empty");
    if (words[0].empty() && options.no_shell)
        return fail("the command's first word is empty; it names the program");

    bool replaces = false;
    auto parse_text = [&](std::string_view text) -> Result<void> {
        Result<Word> word = parse(text, options.pipe);
        if (!word) return tl::unexpected(word.error());
        replaces |= std::any_of(word->begin(), word->end(),
                                [](const Piece& p) { return p.kind != Kind::literal; });
        made.words_.push_back(std::move(*word));
        return {};
    };
    Piece appended{.kind = Kind::all, .text = "{}"};
    if (options.no_shell) {
        made.mode_ = Mode::words;
        for (const std::string& word : words)
            if (Result<void> parsed = parse_text(word); !parsed)
                return tl::unexpected(parsed.error());
        if (!replaces && !options.pipe) made.words_.push_back({appended});
        return made;
    }
    if (Result<void> parsed = parse_text(made.title_); !parsed)
        return tl::unexpected(parsed.error());
    Word& line = made.words_.front();
    if (!replaces && !options.pipe) {
        line.back().text += ' ';
        line.push_back(appended);
    }
    if (is_plain(line)) {
        made.mode_ = Mode::split;
        made.words_ = split(Word(line));
    } else if (Result<void> settled = settle_quotes(line); !settled) {
        return tl::unexpected(settled.error());
    }
    return made;
}

// The values that a replacement string stands for; none for a position that is not there.
std::vector<std::string_view> Template::selected(const Piece& piece, Values values) {
    std::vector<std::string_view> chosen;
    if (piece.kind == Kind::all) {
        chosen.reserve(values.size());
        for (std::string_view value : values) chosen.push_back(changed(value, piece.change));
        return chosen;
    }
    auto count = static_cast<std::int64_t>(values.size());
    std::int64_t place = piece.position > 0 ? piece.position - 1 : count + piece.position;
    if (place >= 0 && place < count)
        chosen.push_back(changed(values[static_cast<std::size_t>(place)], piece.change));
    return chosen;
}

// What the piece stands for, unquoted; several values are joined by blanks.
std::string Template::text_of(const Piece& piece, Values values, std::uint64_t sequence) {
    if (piece.kind == Kind::literal) return piece.text;
    if (piece.kind == Kind::sequence) return std::to_string(sequence);
    std::string text;
    bool first = true;
    for (std::string_view value : selected(piece, values)) {
        if (!first) text += ' ';
        first = false;
        text += value;
    }
    return text;
}

// Appends the piece to a line for sh, every value quoted for the place where it stands.
void Template::append_for_shell(const Piece& piece, Values values, std::uint64_t sequence,
                                std::string& line) {
    if (piece.kind == Kind::literal) {
        line += piece.text;
        return;
    }
    if (piece.quotes != Quotes::none) {
        // The surrounding quotes are closed, the text is quoted by itself, and they are opened
        // again.
        char quote = piece.quotes == Quotes::single ? '\'' : '"';
        line += quote;
        append_quoted(line, text_of(piece, values, sequence));
        line += quote;
        return;
    }
    auto append = [&](std::string_view value) {
        if (piece.alone && !needs_quotes(value)) line += value;
        else append_quoted(line, value);
    };
    if (piece.kind == Kind::sequence) return append(std::to_string(sequence));
    bool first = true;
    for (std::string_view value : selected(piece, values)) {
        if (!first) line += ' ';
        first = false;
        append(value);
    }
}

// As the shell would expand the word: values side by side end a word and begin another; a word of
// nothing vanishes.
void Template::append_split(const Word& word, Values values, std::uint64_t sequence,
                            std::vector<std::string>& argv) {
    bool inside = false;
    auto extend = [&](std::string_view text) {
        if (!inside) argv.emplace_back();
        inside = true;
        argv.back() += text;
    };
    for (const Piece& piece : word) {
        if (piece.kind == Kind::literal || piece.kind == Kind::sequence) {
            extend(text_of(piece, values, sequence));
            continue;
        }
        bool first = true;
        for (std::string_view value : selected(piece, values)) {
            if (!first) inside = false;
            first = false;
            extend(value);
        }
    }
}

// With --no-shell: one word, unless it is a replacement string and nothing else.
void Template::append_word(const Word& word, Values values, std::uint64_t sequence,
                           std::vector<std::string>& argv) {
    if (word.size() == 1 && word[0].kind != Kind::literal)
        return append_split(word, values, sequence, argv);
    std::string text;
    for (const Piece& piece : word) text += text_of(piece, values, sequence);
    argv.push_back(std::move(text));
}

std::string Template::line(Values values, std::uint64_t sequence) const {
    std::string line;
    for (const Piece& piece : words_.front()) append_for_shell(piece, values, sequence, line);
    return line;
}

std::vector<std::string> Template::words(Values values, std::uint64_t sequence) const {
    std::vector<std::string> words;
    words.reserve(words_.size());
    for (const Word& word : words_) {
        if (mode_ == Mode::split) append_split(word, values, sequence, words);
        else append_word(word, values, sequence, words);
    }
    return words;
}

Result<std::vector<std::string>> Template::argv(Values values, std::uint64_t sequence) const {
    for (std::string_view value : values)
        if (value.find('\0') != std::string_view::npos)
            return fail("input " + std::to_string(sequence) +
                        " has a NUL byte, which no command line can carry; "
                        "with -0 the inputs are what stands between NUL bytes");
    if (mode_ == Mode::shell)
        return std::vector<std::string>{"/bin/sh", "-c", line(values, sequence)};
    return words(values, sequence);
}

std::string Template::display(Values values, std::uint64_t sequence) const {
    if (mode_ == Mode::shell) return line(values, sequence);
    std::string text;
    for (const std::string& word : words(values, sequence)) {
        if (!text.empty()) text += ' ';
        text += shell_quoted(word);
    }
    return text;
}

Result<std::vector<std::string>> Template::argv(const std::vector<std::string>& values,
                                                std::uint64_t sequence) const {
    return argv(views(values), sequence);
}

std::string Template::display(const std::vector<std::string>& values,
                              std::uint64_t sequence) const {
    return display(views(values), sequence);
}

}  // namespace fanfold::scatterer::cli
