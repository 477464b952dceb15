#include "scatterer/cli/command/pieces.hpp"

#include <algorithm>
#include <charconv>

#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/command/unknown_replacements.hpp"

namespace fanfold::scatterer::cli {

namespace {

using Kind = Piece::Kind;

bool is_gap(char c) { return c == ' ' || c == '\t'; }

/// Which name the text begins with, the longest that fits; none: past the last one.
std::size_t place_of_name(std::string_view text, const std::vector<std::string>& names) {
    std::size_t found = names.size();
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i].empty() || !text.starts_with(names[i])) continue;
        if (found == names.size() || names[i].size() > names[found].size()) found = i;
    }
    return found;
}

std::size_t longest_replacement(const TemplateOptions& use) {
    std::size_t longest = 0;
    for (const std::string& name : use.names) longest = std::max(longest, name.size());
    return longest + limits::replacement_characters;
}

// What stands between { and }. A literal piece when it is no replacement string at all.
Result<Piece> replacement(std::string_view inner, const TemplateOptions& use) {
    Piece piece{.kind = Kind::all, .text = '{' + std::string(inner) + '}'};
    if (inner == "#" || (inner == "%" && !use.pipe)) {
        piece.kind = inner == "#" ? Kind::sequence : Kind::slot;
        return piece;
    }
    if (use.pipe) return Piece{};
    if (inner == "##")
        return fail("replacement string {##} is not supported: the input may still be growing" +
                    those_there_are(use.plus, use.names));
    std::string_view rest = inner;
    if (const std::size_t place = place_of_name(inner, use.names); place < use.names.size()) {
        piece.position = static_cast<int>(place + 1);
        rest.remove_prefix(use.names[place].size());
    } else {
        const char* end = inner.data() + inner.size();
        auto [after, error] = std::from_chars(inner.data(), end, piece.position);
        if (error == std::errc() && piece.position == 0)
            return fail("replacement string " + piece.text +
                        ": values are counted from 1, or from -1 backward");
        if (error == std::errc()) rest = {after, static_cast<std::size_t>(end - after)};
    }
    if (piece.position != 0) piece.kind = Kind::position;
    // With another string in its place {} stands for itself.
    const bool is_itself = inner.empty() && use.input != "{}";
    if (const auto change = path_change(rest, use.plus); change && !is_itself) {
        piece.change = *change;
        return piece;
    }
    if (looks_replaceable(inner))
        return fail("unknown replacement string " + piece.text +
                    those_there_are(use.plus, use.names));
    return Piece{};
}

}  // namespace

Result<Word> parse_word(std::string_view text, const TemplateOptions& use) {
    Word word;
    auto add_literal = [&](std::string_view literal) {
        if (word.empty() || word.back().kind != Kind::literal) word.push_back({});
        word.back().text += literal;
    };
    for (std::size_t at = 0; at < text.size();) {
        if (text.substr(at).starts_with("{=") && text.find("=}", at + 2) != std::string_view::npos)
            return fail("unknown replacement string {= … =}" +
                        those_there_are(use.plus, use.names));
        if (!use.pipe && use.input != "{}" && text.substr(at).starts_with(use.input)) {
            word.push_back({.kind = Kind::all, .text = use.input});
            at += use.input.size();
            continue;
        }
        std::size_t close = text[at] == '{' ? text.substr(at, longest_replacement(use)).find('}')
                                            : std::string_view::npos;
        if (close == std::string_view::npos) {
            add_literal(text.substr(at++, 1));
            continue;
        }
        Result<Piece> piece = replacement(text.substr(at + 1, close - 1), use);
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

bool has_replacement(const Word& word) {
    return std::ranges::any_of(word,
                               [](const Piece& piece) { return piece.kind != Kind::literal; });
}

bool is_plain(const Word& line) {
    for (const Piece& piece : line) {
        if (piece.kind == Kind::slot) return false;
        if (piece.kind != Kind::literal) continue;
        auto special = [](char c) {
            return !is_gap(c) && c != '=' && needs_quotes(std::string_view(&c, 1));
        };
        if (std::any_of(piece.text.begin(), piece.text.end(), special)) return false;
    }
    return true;
}

bool begins_with_program(const Word& line) {
    const Word first = split(line).front();
    return first.size() == 1 && first[0].kind == Kind::literal && !shell_runs_itself(first[0].text);
}

std::vector<Word> split(const Word& line) {
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

Result<void> settle_quotes(Word& line, const TemplateOptions& use) {
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
                return fail("unknown replacement string " + std::string(name) +
                            those_there_are(use.plus, use.names) +
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

}  // namespace fanfold::scatterer::cli
