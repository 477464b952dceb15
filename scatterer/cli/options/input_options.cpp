#include "scatterer/cli/options/input_options.hpp"

#include <array>
#include <charconv>
#include <cstdlib>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/options/option_values.hpp"
#include "shared/base/machine.hpp"

namespace fanfold::scatterer::cli {

namespace {

using Text = const std::string&;

/// One character, as it is or as GNU parallel and xargs write it: \n \t \0 \x1f \037.
char delimiter_value(Text text) {
    if (text.size() == 1) return text[0];
    auto number = [&](std::size_t from, int base) -> std::optional<char> {
        unsigned char value = 0;
        const char* end = text.data() + text.size();
        auto [rest, error] = std::from_chars(text.data() + from, end, value, base);
        if (error != std::errc() || rest != end) return std::nullopt;
        return static_cast<char>(value);
    };
    if (text == "\\n") return '\n';
    if (text == "\\t") return '\t';
    if (text == "\\r") return '\r';
    if (text == "\\\\") return '\\';
    std::optional<char> read;
    if (text.starts_with("\\x") && text.size() > 2) read = number(2, 16);
    else if (text.starts_with('\\')) read = number(1, 8);
    if (!read)
        throw UsageError("-d '" + text +
                         "': one character is wanted, or \\n, \\t, \\0, or a code such as \\x1f "
                         "or \\037");
    return *read;
}

Trim trim_value(Text text) {
    if (text == "n") return {};
    if (text == "l") return {.left = true};
    if (text == "r") return {.right = true};
    if (text == "lr" || text == "rl") return {.left = true, .right = true};
    throw UsageError("--trim '" + text + "': one of n, l, r, lr is wanted");
}

/// NAME=VALUE; or NAME, whose value is the caller's.
std::string variable(Text text) {
    if (text.find('=') != std::string::npos) {
        assignment_value("--env", text);
        return text;
    }
    const char* value = text.empty() ? nullptr : std::getenv(text.c_str());
    if (!value)
        throw UsageError("--env '" + text +
                         "': NAME=VALUE is wanted, or the name of a variable that is set here");
    return text + '=' + value;
}

void add_sources(OptionSet& set, SourceOptions& sources) {
    set.value(
        "-a,--arg-file FILE", [&](Text text) { sources.files.push_back(text); },
        "Inputs are this file's lines (- for stdin)");
    set.value("--array RANGE", sources.array, "Inputs are numbers: 1-100:2, 1-3,7");
    set.flag(
        "-0,--null", [&] { sources.separator = '\0'; }, "Inputs end in NUL, not at line ends");
    set.value(
        "-d,--delimiter C", [&](Text text) { sources.separator = delimiter_value(text); },
        "Inputs end at this character: , or \\t or \\x1f");
    set.flag("--skip-first-line", sources.skip_first, "Leaves out the first line of each file");
}

void add_columns(OptionSet& set, SourceOptions& sources) {
    set.value("--colsep REGEX", sources.colsep, "Cuts every input into columns: {1} {2} …");
    set.also("-C");
    set.flag("--csv", sources.csv, "Columns are those of CSV; --colsep is one character then (,)");
    auto header = [&](Text text) {
        if (text != ":")
            throw UsageError("--header '" + text +
                             "': only ':' is known, the first input of each source");
        sources.header = true;
    };
    set.value("--header :", header, "The first input of each source names its columns: {name}");
    set.value(
        "--trim n|l|r|lr", [&](Text text) { sources.trim = trim_value(text); },
        "Blanks at these ends of a column go (lr with --colsep, else n)");
}

void add_grouping(OptionSet& set, MapOptions& map) {
    set.value(
        "-n,--max-args N",
        [&](Text text) { map.sources.per_fragment = number_value("-n", text, {.least = 1}); },
        "So many inputs to a fragment (1)");
    set.also("-N,--max-replace-args,-L,--max-lines");
    auto pack = [&map](bool shared, bool repeats) {
        map.pack = shared ? Pack::shared_out : Pack::filled;
        map.command.repeats = repeats;
    };
    set.flag(
        "--xargs", [pack] { pack(false, false); },
        "As many inputs to a fragment as a command line takes");
    set.flag(
        "-m", [pack] { pack(true, false); }, "The same, but shared out among the slots");
    set.flag(
        "-X", [pack] { pack(true, true); },
        "As -m, and a word with {} in it stands once for each input");
    set.value(
        "-s,--max-chars N",
        [&](Text text) { map.line_bytes = number_value("-s", text, {.least = 1}); },
        "With these, bytes of a command line (120000)");
    set.flag(
        "--shuf", [&] { map.sources.shuffle_seed = random_number(); },
        "Inputs in random order; all are read first");
}

}  // namespace

void add_inputs(OptionSet& set, MapOptions& map) {
    set.group("Inputs");
    add_sources(set, map.sources);
    add_columns(set, map.sources);
    add_grouping(set, map);
    auto separator = [](const char* option, std::string& into) {
        return [option, &into](Text text) {
            if (text.empty()) throw UsageError(std::string(option) + " '': a word is wanted");
            into = text;
        };
    };
    set.value("--arg-sep WORD", separator("--arg-sep", map.separators.arguments), "Instead of :::");
    set.value("--arg-file-sep WORD", separator("--arg-file-sep", map.separators.files),
              "Instead of ::::");
    set.flag("--pipe", map.command.pipe,
             "Cuts stdin into blocks of whole lines, each on a command's stdin");
    set.also("--spreadstdin");
    set.value(
        "--block SIZE", [&](Text text) { map.block_bytes = size_value("--block", text); },
        "With --pipe: bytes of a block (1M)");
    set.also("--block-size");
    set.value("--function NAME", map.function,
              "Scatter inputs over this function of the fleet; no COMMAND");
    set.flag("--json-lines", map.json_lines,
             "With --function: each input is JSON, and the payload what it says");
}

void add_commands(OptionSet& set, MapOptions& map) {
    set.group("Commands");
    auto input = [&](Text text) {
        if (text.empty()) throw UsageError("-I '': a text that stands for the input is wanted");
        map.command.input = text;
    };
    set.value("-I STRING", input, "Stands for the input, in place of {}");
    set.flag("--plus", map.command.plus,
             "Also {..} {...} {/..} {/...}, and what they take off: {+/} {+.} {+..} {+...}");
    set.flag("--no-shell", map.command.no_shell, "COMMAND's words are the argv as they are");
    set.also("-q,--quote");
    auto place = [&map](Text text) {
        if (text.empty()) throw UsageError("--cwd '': here, fresh, or a folder is wanted");
        const bool fresh = text == "fresh" || text == "...";
        map.place = text == "here" ? Place::here : fresh ? Place::fresh : Place::folder;
        map.job.cwd = map.place == Place::folder ? text : std::string();
    };
    set.value("--cwd here|fresh|FOLDER", place,
              "Where commands run [here where the worker has this folder, else a fresh one each]");
    set.also("--wd,--workdir");
    set.value(
        "--env NAME[=VALUE]", [&](Text text) { map.job.environment.push_back(variable(text)); },
        "For commands; without a value, as it is set here; may be given several times");
    auto nice = [&map](Text text) {
        map.nice =
            static_cast<std::uint32_t>(number_value("--nice", text, {.most = limits::most_nice}));
    };
    set.value("--nice N", nice, "Commands yield to others on their host, 0 to 19");
    set.value(
        "--max-output SIZE",
        [&](Text text) { map.job.max_output = size_value("--max-output", text); },
        "Most bytes of a command's stdout, and of its stderr (64M)");
    set.flag("--dry-run", map.dry_run, "Print the command lines and leave");
    set.also("--dryrun");
}

}  // namespace fanfold::scatterer::cli
