#include <functional>
#include <stdexcept>
#include <thread>

#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/program/program.hpp"
#include "shared/program/signals.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/secured_sockets.hpp"
#include "worker/guardian/cgroups.hpp"
#include "worker/guardian/own_process.hpp"
#include "worker/shell.hpp"

namespace {

using namespace fanfold;

constexpr const char* description =
    "Runs the fragments of jobs: commands that you declare, or that come with a job where you "
    "allow it.";
constexpr const char* footer =
    R"(Examples:
  fanfold-worker --function wc='wc -w'       a payload on stdin, a result back
  fanfold-worker --slots 8 --allow-exec      runs whatever comes with a job
  fanfold-worker --keys node --broker tcp://head:7411
  fanfold-worker --label gpu --resource mem=16G
      for fanfold map --require gpu --resource mem=2G
  fanfold-worker --function size='wc -c' --idempotent size      may be hedged

Commands run in their submitter's folder where this host has it, too, else in
one of their own, which goes with them. They get of the worker's environment
only PATH, HOME, LANG, LC_*, TZ, USER, LOGNAME, SHELL and TMPDIR. Nothing that
they start outlives them, and they leave no core dump. Without --allow-exec a
job chooses a function that is offered here, and its payloads, and nothing else.

Every worker offers fanfold.echo, fanfold.sleep (payload: seconds) and
fanfold.fail, for trying out a fleet. On SIGTERM it finishes what runs and gives
the rest back; a second one ends it at once.)";

/// What the command line says that the shell's options do not hold as it is written.
struct Declared {
    std::vector<std::string> functions;
    std::vector<std::string> idempotent;
    std::vector<std::string> labels;
    std::vector<std::string> resources;
    Duration limit_cpu{0};
    bool allow_exec = false;
    std::string keys;
};

/// What is thrown says which option it is about.
void named(const char* option, const std::function<void()>& declare) {
    try {
        declare();
    } catch (const std::invalid_argument& error) {
        throw StartupError(std::string(option) + ": " + error.what());
    }
}

void add_offers(CLI::App& app, Declared& declared) {
    app.add_option("--function", declared.functions,
                   "offer a command line as a function (may be given more than once)")
        ->type_name("NAME=COMMAND")
        ->take_all();
    app.add_flag("--allow-exec", declared.allow_exec,
                 "run command lines that come with jobs, whatever they are");
    app.add_option("--idempotent", declared.idempotent,
                   "its fragments may run twice: the broker may hedge them (repeatable)")
        ->type_name("FUNCTION")
        ->take_all();
    app.add_option("--label", declared.labels,
                   "what jobs may require of their workers (repeatable)")
        ->type_name("LABEL")
        ->take_all();
    app.add_option("--resource", declared.resources,
                   "what running fragments share; K, M, G, T: powers of 1024 (repeatable)")
        ->type_name("NAME=AMOUNT")
        ->take_all();
}

void add_limits(CLI::App& app, worker::ShellOptions& options, Declared& declared) {
    add_size(app, "--max-output", options.max_output, "most bytes of a command's output [64M]");
    add_size(app, "--limit-memory", options.containment.limits.memory,
             "most memory of each process of a command, such as 2G [no limit]");
    add_duration(app, "--limit-cpu", declared.limit_cpu,
                 "most processor time of each process of a command, in whole seconds [no limit]");
    app.add_option(
           "--check", options.check,
           "a line for the shell that must succeed before this worker takes work again after "
           "repeated trouble [that it can start a command and write a file]")
        ->type_name("COMMAND");
    app.add_option("--limit-files", options.containment.limits.files,
                   "most files that a process of a command has open [no limit]")
        ->check(CLI::Range(8u, 1u << 30));
    app.add_option("--keep-env", options.containment.kept_names,
                   "commands get this variable of the worker's environment, too (repeatable)")
        ->type_name("NAME")
        ->take_all();
}

/// Whoever may send commands over the network sees nothing of the worker that it does not need.
void contain(worker::Containment& containment, const Declared& declared) {
    containment.clean_environment = true;
    containment.own_folders = true;
    containment.adopts_orphans = true;
    containment.job_chooses_surroundings = declared.allow_exec;
    containment.limits.cpu = static_cast<std::uint64_t>(
        std::chrono::ceil<std::chrono::seconds>(declared.limit_cpu).count());
}

/// Says by what commands are held, which differs with how the worker was started.
void hold_by_cgroups(worker::Containment& containment) {
    const auto cgroup = worker::find_cgroup();
    if (cgroup) containment.cgroup = *cgroup;
    write_log("worker",
              {.level = Level::info,
               .what = cgroup ? "what commands start is held by cgroups"
                              : "what commands start is held by marks and a subreaper, not by "
                                "cgroups",
               .detail = cgroup ? "below " + *cgroup : cgroup.error().text});
}

void apply(const Declared& declared, worker::ShellOptions& options) {
    require(net::check_endpoint(options.broker, "--broker", false));
    for (const std::string& function : declared.functions) {
        auto equals = function.find('=');
        if (equals == std::string::npos)
            throw StartupError("--function: '" + function +
                               "' has no '='; write it as NAME='COMMAND LINE'");
        options.functions.add_command(function.substr(0, equals), function.substr(equals + 1));
    }
    if (declared.allow_exec) options.functions.allow_exec();
    contain(options.containment, declared);
    if (options.functions.runs_commands()) hold_by_cgroups(options.containment);
    for (const std::string& function : declared.idempotent)
        named("--idempotent", [&] { options.functions.declare_idempotent(function); });
    for (const std::string& label : declared.labels)
        named("--label", [&] { options.abilities.add_label(label); });
    for (const std::string& resource : declared.resources)
        named("--resource", [&] { options.abilities.add_resource(resource); });
    if (!declared.keys.empty()) options.keys = require(load_keys(declared.keys));
    net::warn_if_plain("worker", options.keys, options.broker);
    if (declared.allow_exec && !options.keys)
        write_log("worker", {.level = Level::warn,
                             .what = "INSECURE: whoever reaches its broker, be it another user of "
                                     "this host, runs any command here as this user",
                             .detail = "--allow-exec is given without keys"});
}

}  // namespace

int main(int argc, char** argv) {
    worker::guardian::close_to_others();
    worker::guardian::adopt_orphans();
    CLI::App app(description, "fanfold-worker");
    app.footer(footer);
    LogOptions log;
    worker::ShellOptions options;
    options.name = process_name();
    options.slots = std::max(1u, std::thread::hardware_concurrency());
    Declared declared;
    add_broker_option(app, options.broker);
    app.add_option("--slots", options.slots, "executions at a time")
        ->capture_default_str()
        ->check(CLI::Range(1u, limits::slots));
    app.add_option("--name", options.name, "a name for people and logs")
        ->type_name("NAME")
        ->capture_default_str();
    add_offers(app, declared);
    add_keys_options(app, declared.keys);
    add_limits(app, options, declared);
    add_common_options(app, log);
    return run_program(app, argc, argv, log, [&](SignalReader& signals) {
        apply(declared, options);
        zmq::context_t context;
        worker::Shell shell(context, options);
        shell.run(&signals, [&] { announce_ready(options.broker); });
        return 0;
    });
}
