#include "scatterer/cli/verbs/options.hpp"

#include <array>
#include <functional>

#include "scatterer/cli/verbs/help_texts.hpp"
#include "scatterer/cli/verbs/option_set.hpp"
#include "scatterer/cli/verbs/option_values.hpp"
#include "shared/net/net.hpp"
#include "shared/security/keys.hpp"

#ifndef FANFOLD_VERSION
#define FANFOLD_VERSION "0.1.0"
#endif

namespace fanfold::scatterer::cli {

namespace {

constexpr std::array all_verbs{Verb::map,   Verb::submit,  Verb::jobs,    Verb::status,
                               Verb::wait,  Verb::results, Verb::cancel,  Verb::set,
                               Verb::retry, Verb::forget,  Verb::workers, Verb::functions,
                               Verb::keygen};

void choose(const std::string& option, const std::string& text,
            const std::vector<std::string>& accepted) {
    if (std::find(accepted.begin(), accepted.end(), text) != accepted.end()) return;
    std::string list;
    for (const std::string& one : accepted) list += (list.empty() ? "" : ", ") + one;
    throw UsageError(option + " '" + text + "': one of " + list + " is wanted");
}

void add_common(OptionSet& set, CommonOptions& common) {
    set.value(
        "--broker", "ENDPOINT",
        [&common](const std::string& text) {
            if (!text.empty())
                if (auto good = net::check_endpoint(text, "--broker", false); !good)
                    throw UsageError(good.error().text);
            common.broker = text;
            common.broker_origin = "--broker";
        },
        "The broker, such as tcp://127.0.0.1:7411 (else $FANFOLD_BROKER); '' for none");
    set.value(
        "--connect-timeout", "D",
        [&common](const std::string& text) {
            common.connect_timeout = duration_value("--connect-timeout", text);
        },
        "How long to wait for a broker that does not answer (5s)");
    set.value(
        "--keys", "FOLDER", [&common](const std::string& text) { common.keys = text; },
        "Where its keys are (else $FANFOLD_KEYS): all traffic is encrypted; '' for none");
    set.value(
        "--log-level", "LEVEL",
        [&common](const std::string& text) {
            choose("--log-level", text, {"trace", "debug", "info", "warn", "error", "off"});
            common.log_level = text;
        },
        "trace, debug, info, warn, error or off (the default)");
    set.value("--log-file", "FILE", common.log_file, "Where the log goes; else to stderr");
    set.value(
        "--log-format", "FORMAT",
        [&common](const std::string& text) {
            choose("--log-format", text, {"text", "json"});
            common.log_format = text;
        },
        "text or json");
}

void add_inputs(OptionSet& set, MapOptions& map) {
    SourceOptions& sources = map.sources;
    set.value(
        "-a,--arg-file", "FILE", [&](const std::string& text) { sources.files.push_back(text); },
        "Inputs are this file's lines (- for stdin)");
    set.flag("-0,--null", sources.nul_separated, "Inputs end in NUL, not at line ends");
    set.value("--colsep", "REGEX", sources.colsep, "Cuts every input into columns: {1} {2} …");
    set.value("--array", "RANGE", sources.array, "Inputs are numbers: 1-100:2, 1-3,7");
    set.value(
        "-n,--max-args", "N",
        [&](const std::string& text) {
            sources.per_fragment = number_value("-n", text, {.least = 1});
        },
        "So many inputs to a fragment (1)");
    set.flag(
        "--shuf", [&] { sources.shuffle_seed = net::random_number(); },
        "Inputs in random order; all are read first");
    set.flag("--pipe", map.command.pipe,
             "Cuts stdin into blocks of whole lines, each on a command's stdin");
    set.value(
        "--block", "SIZE",
        [&](const std::string& text) { map.block_bytes = size_value("--block", text); },
        "With --pipe: bytes of a block (1M)");
    set.flag("--no-shell", map.command.no_shell, "COMMAND's words are the argv as they are");
    set.value("--function", "NAME", map.function,
              "Scatter inputs over this function of the fleet; no COMMAND");
    set.flag("--json-lines", map.json_lines,
             "With --function: each input is JSON, and the payload what it says");
}

void add_share(OptionSet& set, const std::function<void(const JobChange&)>& take) {
    set.value(
        "--priority", "N",
        [take](const std::string& text) { take({.priority = priority_value(text)}); },
        "Jobs of a higher priority are served first (0)");
    set.value(
        "--weight", "W", [take](const std::string& text) { take({.weight = weight_value(text)}); },
        "Jobs of one priority share slots' time by it (1)");
    set.value(
        "--max-running", "N",
        [take](const std::string& text) {
            take({.max_running =
                      static_cast<std::uint32_t>(number_value("--max-running", text, {}))});
        },
        "Most fragments at workers at a time (0: no limit)");
}

void add_policy(OptionSet& set, MapOptions& map) {
    JobOptions& job = map.job;
    set.flag("-k,--keep-order", job.ordered,
             "Results in the order of the inputs; else as completed");
    set.value(
        "--timeout", "D",
        [&](const std::string& text) { job.timeout = duration_value("--timeout", text); },
        "Of each attempt: 500ms, 10s, 1h30m");
    set.value(
        "--deadline", "D",
        [&](const std::string& text) { job.deadline = duration_value("--deadline", text); },
        "Of the job, from its acceptance");
    set.value(
        "--retries", "N",
        [&](const std::string& text) {
            job.retries =
                static_cast<std::uint32_t>(number_value("--retries", text, {.most = 1'000'000}));
        },
        "So many further attempts of a fragment that failed (0)");
    set.value(
        "--gather", "POLICY", [&](const std::string& text) { gather_value(job, text); },
        "all (the default), available (at the deadline), quorum=K, first");
    set.value(
        "--max-failures", "N|P%", [&](const std::string& text) { max_failures_value(job, text); },
        "More failures than that end the job");
    set.flag(
        "--fail-fast", [&] { job.max_failures = 0; },
        "The first failure ends the job: --max-failures 0");
    set.value(
        "--job-key", "KEY",
        [&](const std::string& text) {
            if (text.empty())
                throw UsageError("--job-key '': a key is wanted, any text of your choice");
            job.key = text;
        },
        "The same key finds the same job: it is submitted once, and goes on by itself");
    add_share(set, [&job](const JobChange& change) {
        job.priority = change.priority.value_or(job.priority);
        job.weight = change.weight.value_or(job.weight);
        job.max_running = change.max_running.value_or(job.max_running);
    });
    set.value("--cwd", "FOLDER", job.cwd,
              "Where commands run [without a broker: here; on a fleet: a fresh folder each]");
    set.value(
        "--env", "NAME=VALUE",
        [&](const std::string& text) {
            assignment_value("--env", text);
            job.environment.push_back(text);
        },
        "For commands; may be given several times");
    set.value(
        "--max-output", "SIZE",
        [&](const std::string& text) { job.max_output = size_value("--max-output", text); },
        "Most bytes of a command's stdout, and of its stderr (64M)");
}

void add_needs(OptionSet& set, JobOptions& job) {
    set.value(
        "--require", "LABEL", [&](const std::string& text) { require_value(job, text); },
        "Only workers with this label; may be given several times");
    set.value(
        "--resource", "NAME=AMOUNT", [&](const std::string& text) { resource_value(job, text); },
        "What each running fragment takes of its worker's: mem=2G; may be given several times");
    set.value(
        "--hedge", "auto|off|D", [&](const std::string& text) { hedge_value(job, text); },
        "A second attempt, on another worker, beside a fragment that runs far longer than others "
        "(auto) or than D; the first result counts "
        "(as the function's "
        "workers say)");
    set.flag("--compress", job.compress,
             "Compress what goes over TCP, where that makes it smaller");
}

void add_map_alone(OptionSet& set, MapOptions& map) {
    set.value(
        "-j,--slots", "N",
        [&](const std::string& text) {
            map.slots =
                static_cast<std::uint32_t>(number_value("-j", text, {.least = 1, .most = 100'000}));
        },
        "Embedded fleet: fragments at a time (one for each processor)");
    set.value(
        "--declare", "NAME=COMMAND",
        [&](const std::string& text) {
            map.declared.push_back(assignment_value("--declare", text));
        },
        "Embedded fleet: a command line as a function, the payload on its stdin");
    set.value(
        "--bind", "ENDPOINT",
        [&](const std::string& text) {
            if (auto good = net::check_endpoint(text, "--bind", true); !good)
                throw UsageError(good.error().text);
            map.bind = text;
        },
        "Embedded fleet: remote workers may join at tcp://HOST:PORT");
    set.flag("--insecure", map.insecure,
             "Embedded fleet: --bind without keys also where other hosts reach it");
    set.flag("--tag", map.tag, "The input and a tab before each line");
    set.value(
        "--output", "FORMAT",
        [&](const std::string& text) {
            choose("--output", text, {"text", "json"});
            map.output = text == "json" ? Format::json : Format::text;
        },
        "text, or json: one object a line");
    set.value("--results", "FOLDER", map.results_folder,
              "Also keep each fragment's stdout and stderr there, in parallel's layout");
    set.value("--joblog", "FILE", map.joblog, "A line for each fragment, in parallel's columns");
    set.flag(
        "--resume", map.resume,
        "Go on: what the job log lists is not run again; with --job-key, the job must be there");
    set.flag(
        "--resume-failed", [&] { map.resume = map.resume_failed = true; },
        "The same, but run again what failed by the job log");
    set.flag(
        "--progress", [&] { map.progress = true; },
        "The progress bar, also where stderr is no terminal");
    set.flag(
        "--no-progress", [&] { map.progress = false; }, "No progress bar");
}

void add_query(OptionSet& set, Verb verb, QueryOptions& query) {
    bool prints_results = verb == Verb::results;
    std::string shape = prints_results ? "text" : "table";
    set.value(
        "--output", "FORMAT",
        [&query, shape](const std::string& text) {
            choose("--output", text, {shape, "json"});
            query.output = text == "json" ? Format::json : Format::text;
        },
        shape + ", or json: one object a line");
    if (prints_results) {
        set.flag("-k,--keep-order", query.ordered, "In the order of the inputs; else as completed");
        set.flag("--now", query.now, "Only what is there; does not wait for a running job");
    }
    if (verb == Verb::set)
        add_share(set, [&query](const JobChange& change) {
            if (change.priority) query.change.priority = change.priority;
            if (change.weight) query.change.weight = change.weight;
            if (change.max_running) query.change.max_running = change.max_running;
        });
    if (prints_results || verb == Verb::wait || verb == Verb::cancel)
        set.flag("--quiet", query.quiet, "No lines about fragments or outcomes");
}

void add_keygen(OptionSet& set, KeygenOptions& keygen) {
    set.value(
        "--name", "USER",
        [&](const std::string& text) {
            if (!is_user_name(text))
                throw UsageError("--name '" + text +
                                 "': 1 to 100 letters, digits and ._-@ are wanted");
            keygen.name = text;
        },
        "Whose key it is, for the broker's file (else yours, as the system knows you)");
    set.value(
        "--roles", "ROLE,ROLE",
        [&](const std::string& text) {
            if (auto roles = parse_roles(text); !roles)
                throw UsageError("--roles: " + roles.error().text);
            keygen.roles = text;
        },
        "submit (the default), work, gather, admin: what it may do");
    set.value("--trust", "FILE", keygen.trust,
              "The broker's broker.pub: it is copied into the folder");
    set.flag("--for-broker", keygen.for_broker,
             "A broker's key: also makes broker.pub, and an empty file of allowed keys");
}

void check_keygen(const CommandLine& line, const std::vector<std::string>& rest) {
    if (!rest.empty()) throw UsageError("unexpected '" + rest[0] + "'");
    if (keys_folder(line.common.keys).empty())
        throw UsageError("a folder is missing: name it with --keys, or FANFOLD_KEYS");
    if (line.keygen.for_broker && !line.keygen.trust.empty())
        throw UsageError("--trust is for those who connect, not --for-broker");
}

/// Whether there is something to go on from, and only one.
void check_resuming(const MapOptions& map, const CommonOptions& common, Verb verb) {
    if (!map.job.key.empty() && map.sources.shuffle_seed)
        throw UsageError(
            "--job-key and --shuf: the same key wants the same inputs in the same order");
    if (verb == Verb::map && !map.job.key.empty() && common.broker.empty())
        throw UsageError(
            "--job-key needs a broker that outlives the command: name one with --broker");
    if (!map.resume) return;
    if (map.joblog.empty() && (map.job.key.empty() || map.resume_failed))
        throw UsageError(
            map.resume_failed
                ? "--resume-failed needs --joblog FILE, which says what failed; of a job with a "
                  "key, see fanfold retry"
                : "--resume needs --joblog FILE, which lists what is done, or --job-key KEY");
    if (!map.joblog.empty() && !map.job.key.empty())
        throw UsageError("--resume goes by --joblog or by --job-key: give one of them");
    if (map.sources.shuffle_seed)
        throw UsageError("--resume and --shuf: the inputs must come in the same order as before");
}

/// The worker of an embedded fleet is alone, and has neither labels nor resources: without a door
/// for others the job would wait for nothing.
void check_embedded_needs(const MapOptions& map) {
    bool hedges = map.job.hedge == Hedge::automatic || map.job.hedge == Hedge::after;
    if (hedges && map.bind.empty())
        throw UsageError(
            "--hedge: a second attempt runs on another worker, and an embedded fleet has but one; "
            "name a broker with --broker, "
            "or let workers join with --bind");
    bool needs = !map.job.require.empty() || !map.job.resources.empty();
    if (!needs || !map.bind.empty()) return;
    std::string option = !map.job.require.empty() ? "--require " + map.job.require[0]
                                                  : "--resource " + map.job.resources[0].name;
    throw UsageError(option +
                     ": an embedded fleet's own worker has no labels and no resources; name a "
                     "broker with --broker, or let workers "
                     "join with --bind");
}

/// What makes no sense together. What is left is carried out as it is.
void check_map(const MapOptions& map, const CommonOptions& common, Verb verb) {
    auto command = part_command(map.words).command;
    if (!map.function.empty() && !command.empty())
        throw UsageError("--function " + map.function + " takes no COMMAND, but '" + command[0] +
                         "' is given; inputs go behind :::");
    if (map.function.empty() && command.empty())
        throw UsageError("a COMMAND, or --function NAME, is missing");
    if (map.json_lines && map.function.empty()) throw UsageError("--json-lines is for --function");
    if (map.command.pipe && !map.function.empty())
        throw UsageError("--pipe is for commands, not for --function " + map.function);
    if (map.command.pipe &&
        (!part_command(map.words).sources.empty() || !map.sources.array.empty()))
        throw UsageError(
            "--pipe reads stdin or one -a FILE; it takes no ::: sources and no --array");
    if (map.command.pipe && map.sources.files.size() > 1)
        throw UsageError("--pipe takes one -a FILE at most");
    if (map.job.max_failures && map.job.max_failures_percent)
        throw UsageError("--max-failures and --fail-fast: give one number or one percentage");
    check_resuming(map, common, verb);
    if (verb == Verb::submit) return;
    for (const auto& [name, command_line] : map.declared) {
        if (name.starts_with("fanfold."))
            throw UsageError("--declare '" + name +
                             "': names that begin with fanfold. are built in");
        if (command_line.empty())
            throw UsageError("--declare '" + name + "=': the command is missing");
    }
    if (common.broker.empty()) return check_embedded_needs(map);
    const char* embedded_option = map.slots               ? "-j"
                                  : !map.declared.empty() ? "--declare"
                                  : !map.bind.empty()     ? "--bind"
                                                          : nullptr;
    if (embedded_option)
        throw UsageError(std::string(embedded_option) +
                         " is for an embedded fleet, but there is a broker: " + common.broker +
                         " (" + common.broker_origin + "); leave it out, or say --broker ''");
}

void check_query(Verb verb, const QueryOptions& query) {
    std::size_t most = 0;
    switch (verb) {
        case Verb::map:
        case Verb::submit:
        case Verb::keygen: return;
        case Verb::jobs:
        case Verb::workers:
        case Verb::functions: most = 0; break;
        case Verb::status:
        case Verb::results: most = 1; break;
        case Verb::wait:
        case Verb::cancel:
        case Verb::set:
        case Verb::retry:
        case Verb::forget: most = SIZE_MAX; break;
    }
    if (verb == Verb::set && !query.change.priority && !query.change.weight &&
        !query.change.max_running)
        throw UsageError("nothing to set: give --priority, --weight or --max-running");
    if (query.jobs.size() > most) throw UsageError("unexpected '" + query.jobs[most] + "'");
    if (most > 0 && query.jobs.empty())
        throw UsageError("a JOB is missing: `last`, or the beginning or end of an id");
    for (const std::string& job : query.jobs)
        if (job.empty())
            throw UsageError("JOB '' is empty: give `last`, or the beginning or end of an id");
}

void check_broker(const CommandLine& line) {
    bool embedded = line.verb == Verb::map || line.map.dry_run;
    if (line.common.broker.empty() && !embedded)
        throw UsageError(
            std::string(to_string(line.verb)) +
            " needs a broker: name it with --broker tcp://HOST:PORT or FANFOLD_BROKER");
    if (!line.common.broker.empty() && line.common.broker_origin != "--broker")
        if (auto good = net::check_endpoint(line.common.broker, line.common.broker_origin, false);
            !good)
            throw UsageError(good.error().text);
}

Parsed parse_verb(CommandLine line, const std::vector<std::string>& words) {
    OptionSet set(help_of(line.verb));
    bool scatters = line.verb == Verb::map || line.verb == Verb::submit;
    if (scatters) {
        add_inputs(set, line.map);
        add_policy(set, line.map);
        add_needs(set, line.map.job);
        if (line.verb == Verb::map) add_map_alone(set, line.map);
        set.flag("--dry-run", line.map.dry_run, "Print the command lines and leave");
        set.flag("--quiet", line.map.quiet,
                 "No lines about fragments or outcomes, no progress bar");
    } else if (line.verb == Verb::keygen) {
        add_keygen(set, line.keygen);
    } else {
        add_query(set, line.verb, line.query);
    }
    add_common(set, line.common);
    auto rest = set.parse(words);
    if (!rest) return {.command = std::nullopt, .text = set.help()};
    if (scatters) {
        line.map.words = *rest;
        check_map(line.map, line.common, line.verb);
    } else if (line.verb == Verb::keygen) {
        check_keygen(line, *rest);
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

Verb verb_named(const std::string& word) {
    for (Verb verb : all_verbs)
        if (word == to_string(verb)) return verb;
    throw UsageError("unknown verb '" + word + "'; see fanfold --help");
}

}  // namespace

const char* to_string(Verb verb) {
    switch (verb) {
        case Verb::map: return "map";
        case Verb::submit: return "submit";
        case Verb::jobs: return "jobs";
        case Verb::status: return "status";
        case Verb::wait: return "wait";
        case Verb::results: return "results";
        case Verb::cancel: return "cancel";
        case Verb::set: return "set";
        case Verb::retry: return "retry";
        case Verb::forget: return "forget";
        case Verb::workers: return "workers";
        case Verb::functions: return "functions";
        case Verb::keygen: return "keygen";
    }
    return "";
}

Parsed parse_command_line(const std::vector<std::string>& words,
                          const std::string& environment_broker) {
    CommandLine line;
    line.common.broker = environment_broker;
    line.common.broker_origin = "FANFOLD_BROKER";
    OptionSet set(program_help());
    bool version = false;
    set.flag("--version", version, "Show the version and leave");
    add_common(set, line.common);
    auto rest = set.parse(words);
    if (!rest) return {.command = std::nullopt, .text = set.help()};
    if (version) return {.command = std::nullopt, .text = "fanfold " FANFOLD_VERSION "\n"};
    if (rest->empty()) throw UsageError("a verb is missing, such as map; see fanfold --help");
    line.verb = verb_named(rest->front());
    try {
        return parse_verb(std::move(line), {rest->begin() + 1, rest->end()});
    } catch (const UsageError& error) {
        throw UsageError(std::string(error.what()) + "; see fanfold " + rest->front() + " --help");
    }
}

}  // namespace fanfold::scatterer::cli
