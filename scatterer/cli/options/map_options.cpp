#include "scatterer/cli/options/map_options.hpp"

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/options/common_options.hpp"
#include "scatterer/cli/options/input_options.hpp"
#include "scatterer/cli/options/option_values.hpp"
#include "shared/net/endpoints.hpp"

namespace fanfold::scatterer::cli {

namespace {

using Text = const std::string&;

std::uint32_t small_number(const char* option, Text text, Bounds bounds) {
    return static_cast<std::uint32_t>(number_value(option, text, bounds));
}

void add_policy(OptionSet& set, JobOptions& job) {
    set.group("The job");
    set.flag("-k,--keep-order", job.ordered,
             "Results in the order of the inputs; else as completed");
    set.value(
        "--timeout D", [&](Text text) { job.timeout = duration_value("--timeout", text); },
        "Of each attempt: 500ms, 10s, 1h30m");
    set.value(
        "--deadline D", [&](Text text) { job.deadline = duration_value("--deadline", text); },
        "Of the job, from its acceptance");
    set.value(
        "--retries N",
        [&](Text text) {
            job.retries = small_number("--retries", text, {.most = limits::most_retries});
        },
        "So many further attempts of a fragment that failed (0)");
    set.value(
        "--gather POLICY", [&](Text text) { gather_value(job, text); },
        "all (the default), available (at the deadline), quorum=K, first");
    set.value(
        "--max-failures N|P%", [&](Text text) { max_failures_value(job, text); },
        "More failures than that end the job");
    set.flag(
        "--fail-fast", [&] { job.max_failures = 0; },
        "The first failure ends the job: --max-failures 0");
    set.value(
        "--halt WHEN", [&](Text text) { halt_value(job, text); },
        "As GNU parallel has it: never, now,fail=N, now,fail=P%, now,success=N");
    auto key = [&](Text text) {
        if (text.empty())
            throw UsageError("--job-key '': a key is wanted, any text of your choice");
        job.key = text;
    };
    auto name = [&](Text text) {
        if (text.empty() || text.size() > limits::name_bytes)
            throw UsageError("--name: a text of 1 to " + std::to_string(limits::name_bytes) +
                             " bytes is wanted, not of " + std::to_string(text.size()));
        job.title = text;
    };
    set.value("--name TEXT", name, "What lists show for the job, instead of its command");
    set.value("--job-key KEY", key,
              "The same key finds the same job: it is submitted once, and goes on by itself");
    add_share(set, [&job](const JobChange& change) {
        job.priority = change.priority.value_or(job.priority);
        job.weight = change.weight.value_or(job.weight);
        job.max_running = change.max_running.value_or(job.max_running);
    });
}

void add_pace(OptionSet& set, MapOptions& map) {
    set.group("Where, and how many at a time");
    set.value(
        "-j,--slots N", [&](Text text) { map.slots = slots_value(text); },
        "Fragments at a time (one for each processor), also as +N, -N, N%, or 0: as many as can "
        "be; on a fleet as --max-running");
    set.also("--jobs,-P,--max-procs");
    auto delay = [&](Text text) { map.delay = duration_value("--delay", text); };
    set.value("--delay D", delay, "No fragment is submitted sooner than so long after another");
}

void add_placement(OptionSet& set, JobOptions& job) {
    set.value(
        "--require LABEL", [&](Text text) { require_value(job, text); },
        "Only workers with this label; may be given several times");
    set.value(
        "--resource NAME=AMOUNT", [&](Text text) { resource_value(job, text); },
        "What each running fragment takes of its worker's: mem=2G; may be given several times");
    set.value(
        "--hedge auto|off|D", [&](Text text) { hedge_value(job, text); },
        "A second attempt, on another worker, beside a fragment that runs far longer than others "
        "(auto) or than D; the first result counts (as the function's workers say)");
    set.value(
        "--rerun-after D|never", [&](Text text) { rerun_value(job, text); },
        "After which silence of a worker that may live what it ran is given to another; never: "
        "once it is known to have ended (the broker's --worker-timeout)");
    set.flag("--compress", job.compress,
             "Compress what goes over TCP, where that makes it smaller");
}

void add_embedded_fleet(OptionSet& set, MapOptions& map) {
    set.group("Embedded fleet");
    set.value(
        "--declare NAME=COMMAND",
        [&](Text text) { map.declared.push_back(assignment_value("--declare", text)); },
        "A command line as a function, the payload on its stdin");
    auto bind = [&](Text text) {
        if (auto good = net::check_endpoint(text, "--bind", true); !good)
            throw UsageError(good.error().text);
        map.bind = text;
    };
    set.value("--bind ENDPOINT", bind, "Remote workers may join at tcp://HOST:PORT");
    set.flag("--insecure", map.insecure, "--bind without keys also where other hosts reach it");
}

void add_results(OptionSet& set, MapOptions& map) {
    set.flag("--tag", map.tag, "The input and a tab before each line");
    set.value(
        "--tagstring TEXT", [&](Text text) { map.tag = true, map.tag_text = text; },
        "This and a tab; with replacement strings");
    set.flag(
        "-v", [&] { map.show_command = ShowCommand::on_stdout; },
        "The command line before its output");
    set.flag(
        "-t,--verbose", [&] { map.show_command = ShowCommand::on_stderr; }, "The same, on stderr");
    add_output(set, "text", map.output);
    auto results = [&](Text text) {
        if (Template::replaces(text))
            throw UsageError("--results '" + text +
                             "': no replacement strings are filled in there; name a folder, in "
                             "which each value gets one of its own");
        map.results_folder = text;
    };
    set.value("--results FOLDER", results,
              "Also keep each fragment's stdout and stderr there, in parallel's layout");
    set.value("--joblog FILE", map.joblog, "A line for each fragment, in parallel's columns");
    set.flag(
        "--resume", map.resume,
        "Go on: what the job log lists is not run again; with --job-key, the job must be there");
    set.flag(
        "--resume-failed", [&] { map.resume = map.resume_failed = true; },
        "The same, but run again what failed by the job log");
    set.flag(
        "--progress", [&] { map.progress = true; },
        "The progress bar, also where stderr is no terminal");
    set.also("--bar,--eta");
    set.flag(
        "--no-progress", [&] { map.progress = false; }, "No progress bar");
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

/// Blocks are no lines: what cuts or groups these would do nothing.
void check_pipe(const MapOptions& map, const CommandWords& parted) {
    if (parted.command.empty() && map.function.empty())
        throw UsageError("--pipe needs a COMMAND, whose stdin each block is");
    if (!map.function.empty())
        throw UsageError("--pipe is for commands, not for --function " + map.function);
    if (!parted.sources.empty() || !map.sources.array.empty())
        throw UsageError(
            "--pipe reads stdin or one -a FILE; it takes no ::: sources and no --array");
    if (map.sources.files.size() > 1) throw UsageError("--pipe takes one -a FILE at most");
    const SourceOptions& sources = map.sources;
    const char* of_lines = !sources.colsep.empty()    ? "--colsep"
                           : sources.csv              ? "--csv"
                           : sources.header           ? "--header"
                           : sources.trim             ? "--trim"
                           : sources.skip_first       ? "--skip-first-line"
                           : sources.per_fragment > 1 ? "-n"
                           : map.pack != Pack::no     ? "--xargs, -m or -X"
                           : sources.shuffle_seed     ? "--shuf"
                                                      : nullptr;
    if (of_lines)
        throw UsageError("--pipe passes blocks of lines on as they are; there is nothing for " +
                         std::string(of_lines) + " to do");
}

void check_words(const MapOptions& map) {
    CommandWords parted = part_command(map.words, map.separators);
    if (!map.function.empty() && !parted.command.empty())
        throw UsageError("--function " + map.function + " takes no COMMAND, but '" +
                         parted.command[0] + "' is given; inputs go behind :::");
    if (map.json_lines && map.function.empty()) throw UsageError("--json-lines is for --function");
    if (map.nice > 0 && !map.function.empty())
        throw UsageError("--nice is for commands, not for --function " + map.function);
    if (map.command.pipe) check_pipe(map, parted);
}

void check_declared(const MapOptions& map) {
    for (const auto& [name, command_line] : map.declared) {
        if (name.starts_with("fanfold."))
            throw UsageError("--declare '" + name +
                             "': names that begin with fanfold. are built in");
        if (command_line.empty())
            throw UsageError("--declare '" + name + "=': the command is missing");
    }
}

}  // namespace

void add_map(OptionSet& set, Verb verb, MapOptions& map) {
    add_inputs(set, map);
    add_commands(set, map);
    add_policy(set, map.job);
    add_pace(set, map);
    add_placement(set, map.job);
    if (verb == Verb::map) add_embedded_fleet(set, map);
    set.group("What is shown");
    if (verb == Verb::map) add_results(set, map);
    set.flag("--quiet", map.quiet, "No lines about fragments or outcomes, no progress bar");
    set.group("");  // taken, and not worth a word
    set.flag(
        "--group,--will-cite,--no-notice,--plain", [] {}, "");
    set.group("The broker");
}

void check_map(const CommandLine& line) {
    const MapOptions& map = line.map;
    check_words(map);
    if (map.job.max_failures && map.job.max_failures_percent)
        throw UsageError("--max-failures and --fail-fast: give one number or one percentage");
    check_resuming(map, line.common, line.verb);
    if (line.verb == Verb::submit) return;
    check_declared(map);
    if (!line.common.broker.empty() && map.slots && map.slots->of_processors)
        throw UsageError(
            "-j +N, -N and N% count from this machine's processors, and the fleet has its own; "
            "give "
            "a number, the most that run at a time");
    if (line.common.broker.empty()) return check_embedded_needs(map);
    const char* embedded_option = !map.declared.empty() ? "--declare"
                                  : !map.bind.empty()   ? "--bind"
                                                        : nullptr;
    if (embedded_option)
        throw UsageError(std::string(embedded_option) +
                         " is for an embedded fleet, but there is a broker: " + line.common.broker +
                         " (" + line.common.broker_origin + "); leave it out, or say --broker ''");
}

}  // namespace fanfold::scatterer::cli
