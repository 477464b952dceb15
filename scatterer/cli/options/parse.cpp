#include "scatterer/cli/options/parse.hpp"

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/options/common_options.hpp"
#include "scatterer/cli/options/keygen_options.hpp"
#include "scatterer/cli/options/map_options.hpp"
#include "scatterer/cli/options/query_options.hpp"

#ifndef FANFOLD_VERSION
#define FANFOLD_VERSION "0.1.0"
#endif

namespace fanfold::scatterer::cli {

namespace {

Parsed parse_verb(CommandLine line, const std::vector<std::string>& words) {
    OptionSet set(help_of(line.verb));
    bool scatters = line.verb == Verb::map || line.verb == Verb::submit;
    const bool copies = line.verb == Verb::backup || line.verb == Verb::restore;
    if (scatters) {
        add_map(set, line.verb, line.map);
    } else if (line.verb == Verb::keygen) {
        add_keygen(set, line.keygen);
    } else if (copies) {
        set.value(
            "--state FOLDER",
            [&line](const std::string& text) {
                if (text.empty()) throw UsageError("--state '': a folder is wanted");
                line.backup.state = text;
            },
            "Of the broker and the gatherer of this host (where they keep it by default)");
    } else if (line.verb == Verb::doctor) {
        set.value(
            "--from ROLE",
            [&line](const std::string& text) {
                choose("--from", text, {"client", "worker", "gatherer"});
                line.doctor.from = text;
            },
            "Whose ports: client (the default), worker or gatherer");
    } else {
        add_query(set, line.verb, line.query);
    }
    add_common(set, line.common);
    auto rest = set.parse(words);
    if (!rest) return {.command = std::nullopt, .text = set.help()};
    if (scatters) {
        line.map.words = *rest;
        check_map(line);
    } else if (line.verb == Verb::keygen) {
        check_keygen(line, *rest);
        return {.command = std::move(line), .text = {}};
    } else if (copies) {
        if (rest->size() != 1) throw UsageError("one folder is wanted, for the copy");
        line.backup.copy = rest->front();
        return {.command = std::move(line), .text = {}};
    } else {
        // No COMMAND follows here, so options may stand behind a JOB as well.
        for (; rest && !rest->empty(); rest = set.parse({rest->begin() + 1, rest->end()}))
            line.query.jobs.push_back(rest->front());
        if (!rest) return {.command = std::nullopt, .text = set.help()};
        check_query(line.verb, line.query);
    }
    check_broker(line);
    return {.command = std::move(line), .text = {}};
}

}  // namespace

Parsed parse_command_line(const std::vector<std::string>& words,
                          const std::string& environment_broker) {
    CommandLine line;
    line.common.broker = environment_broker;
    line.common.broker_origin = "FANFOLD_BROKER";
    OptionSet set(program_help());
    bool version = false;
    set.flag("-V,--version", version, "Show the version and leave");
    add_common(set, line.common);
    auto rest = set.parse(words);
    if (!rest) return {.command = std::nullopt, .text = set.help()};
    if (version) return {.command = std::nullopt, .text = "fanfold " FANFOLD_VERSION "\n"};
    if (rest->empty()) return {.command = std::nullopt, .text = set.help()};
    if (rest->front() == "help") {
        if (rest->size() == 1) return {.command = std::nullopt, .text = set.help()};
        line.verb = verb_named((*rest)[1]);
        return parse_verb(std::move(line), {"--help"});
    }
    line.verb = verb_named(rest->front());
    try {
        return parse_verb(std::move(line), {rest->begin() + 1, rest->end()});
    } catch (const UsageError& error) {
        throw UsageError(std::string(error.what()) + "; see fanfold " + rest->front() + " --help");
    }
}

}  // namespace fanfold::scatterer::cli
