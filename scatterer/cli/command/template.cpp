#include "scatterer/cli/command/template.hpp"

#include <algorithm>

#include "scatterer/cli/base/words.hpp"

namespace fanfold::scatterer::cli {
namespace {

using Kind = Piece::Kind;

const Piece the_input{.kind = Kind::all, .text = "{}"};

std::vector<std::string_view> views(const std::vector<std::string>& values) {
    return {values.begin(), values.end()};
}

}  // namespace

bool Template::replaces(std::string_view text, const TemplateOptions& use) {
    const Result<Word> word = parse_word(text, use);
    return !word || has_replacement(*word);
}

Result<Template> Template::make(const std::vector<std::string>& words, TemplateOptions options) {
    Template made;
    made.repeats_ = options.repeats;
    const bool is_input = words.empty() || (words.size() == 1 && words[0] == options.input);
    if (is_input && !options.pipe && !options.no_shell) {
        made.mode_ = Mode::input;
        made.title_ = options.input;
        return made;
    }
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
    const Result<void> taken =
        options.no_shell ? made.take_words(words, options) : made.take_line(options);
    if (!taken) return tl::unexpected(taken.error());
    return made;
}

Result<void> Template::take_words(const std::vector<std::string>& words,
                                  const TemplateOptions& use) {
    mode_ = Mode::words;
    bool replaces = false;
    for (const std::string& text : words) {
        Result<Word> word = parse_word(text, use);
        if (!word) return tl::unexpected(word.error());
        if (std::ranges::any_of(*word, [](const Piece& p) { return p.kind == Kind::slot; }))
            return fail(
                "{%} is known where the command runs, and filled in by its shell; without one the "
                "command finds it in FANFOLD_SLOT");
        replaces = replaces || has_replacement(*word);
        words_.push_back(*std::move(word));
    }
    if (!replaces && !use.pipe) words_.push_back({the_input});
    return {};
}

Result<void> Template::take_line(const TemplateOptions& use) {
    Result<Word> line = parse_word(title_, use);
    if (!line) return tl::unexpected(line.error());
    if (!has_replacement(*line) && !use.pipe) {
        line->back().text += ' ';
        line->push_back(the_input);
    }
    const bool direct = is_plain(*line) && begins_with_program(*line);
    const bool assigns = line->front().text.find('=') != std::string::npos;
    if (direct || (use.repeats && is_plain(*line) && !assigns)) {
        mode_ = direct ? Mode::split : Mode::quoted;
        words_ = split(*line);
        return {};
    }
    if (Result<void> settled = settle_quotes(*line, use); !settled) return settled;
    auto stands_in_a_word = [](const Piece& p) { return p.kind == Kind::all && !p.alone; };
    if (use.repeats && std::ranges::any_of(*line, stands_in_a_word))
        return fail(
            "-X repeats a word with {} in it where the command is of plain words; in a line for "
            "the shell let {} stand alone, or use -m");
    words_.push_back(*std::move(line));
    return {};
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
    if (piece.kind == Kind::slot) {
        const bool single = piece.quotes == Quotes::single;
        line += single ? "'${FANFOLD_SLOT}'" : "${FANFOLD_SLOT}";
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

// A word once for each value.
void Template::append_repeated(const Word& word, Values values, std::uint64_t sequence,
                               std::vector<std::string>& argv) {
    for (std::size_t i = 0; i < values.size(); ++i)
        append_split(word, values.subspan(i, 1), sequence, argv);
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
    if (mode_ == Mode::input) {
        for (std::string_view value : values) line.append(line.empty() ? "" : " ").append(value);
        return line;
    }
    for (const Piece& piece : words_.front()) append_for_shell(piece, values, sequence, line);
    return line;
}

std::vector<std::string> Template::words(Values values, std::uint64_t sequence) const {
    std::vector<std::string> words;
    words.reserve(words_.size());
    for (const Word& word : words_) {
        const bool varies =
            std::ranges::any_of(word, [](const Piece& piece) { return piece.kind == Kind::all; });
        if (varies && repeats_) append_repeated(word, values, sequence, words);
        else if (mode_ != Mode::words) append_split(word, values, sequence, words);
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
    if (uses_shell()) return std::vector<std::string>{"/bin/sh", "-c", display(values, sequence)};
    return words(values, sequence);
}

std::string Template::display(Values values, std::uint64_t sequence) const {
    if (mode_ == Mode::shell || mode_ == Mode::input) return line(values, sequence);
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
