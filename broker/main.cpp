#include <csignal>

#include "broker/shell.hpp"
#include "shared/base/machine.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/program/program.hpp"
#include "shared/program/signals.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/keys.hpp"
#include "shared/security/secured_sockets.hpp"

namespace fanfold {
namespace {
constexpr const char* examples = R"(Examples:
  fanfold-broker                                    on this machine only
  fanfold-broker --state /srv/fanfold --memory 4G   jobs may be far larger
  fanfold-broker --volatile                         nothing is kept on disk
For a fleet of several machines:
  fanfold-broker --keys head --bind tcp://0.0.0.0:7411
  fanfold-broker --keys head --bind tcp://0.0.0.0:7411 \
      --advertise tcp://203.0.113.5:7411

It takes two ports: the one given, for control, and the next, for blocks. On
SIGHUP it opens its log file anew and reads the allowed keys again. The --user
limits are those of each user who has none in the file of allowed keys; without
keys, of everybody together.)";

struct Settings {
    broker::ShellOptions shell;
    std::string bind = "tcp://127.0.0.1:7411";
    bool in_memory = false;
};

void add_user_options(CLI::App& app, UserLimits& most) {
    app.add_option("--user-jobs", most.open_jobs,
                   "jobs of one user that have not ended, at most; 0: no limit")
        ->capture_default_str();
    add_size(app, "--user-bytes", most.held_bytes,
             "bytes held for one user, of payloads, outputs, texts and kept results; past that its "
             "jobs wait [no limit]");
    add_size(app, "--user-payload", most.payload_bytes,
             "bytes of one fragment's payload, at most [no limit]");
    app.add_option("--user-fragments", most.fragments, "fragments of one job, at most; 0: no limit")
        ->capture_default_str();
    app.add_option("--user-submissions", most.submissions,
                   "jobs that one user opens in a minute, at most; 0: no limit")
        ->capture_default_str();
    app.add_option("--user-priority", most.priority,
                   "the highest priority of one user's jobs [no limit]");
}

void add_options(CLI::App& app, Settings& settings) {
    broker::ShellOptions& options = settings.shell;
    app.add_option(
           "--bind", settings.bind,
           "where it listens: tcp://HOST:PORT (the port * takes any free ones) or ipc://PATH")
        ->type_name("ENDPOINT")
        ->capture_default_str();
    app.add_option("--advertise", options.advertise, "as which endpoint its peers reach --bind")
        ->type_name("ENDPOINT");
    add_duration(app, "--worker-timeout", options.worker_timeout,
                 "silence after which a worker counts as gone");
    app.add_flag_callback(
        "--no-relay", [&options] { options.relays = false; },
        "pass no results on from workers that can't reach their gatherer");
    app.add_option("--crash-limit", options.crash_limit,
                   "a fragment that kills its worker so often, running alone, ends as crashed")
        ->capture_default_str()
        ->check(CLI::PositiveNumber);
    add_size(
        app, "--memory", options.memory_bytes,
        "most bytes of payloads and of failures' outputs held in memory; more wait in the store, "
        "or at their clients and workers [1G]");
    add_duration(app, "--keep", options.keep,
                 "how long an ended job is remembered, with its results");
    add_user_options(app, options.user_limits);
    options.state = default_state_folder();
    auto* state =
        app.add_option(
               "--state", options.state,
               "the folder in which accepted jobs are kept: they survive the broker's death")
            ->type_name("FOLDER")
            ->capture_default_str();
    app.add_flag("--volatile", settings.in_memory, "keep all in memory: jobs die with the broker")
        ->excludes(state);
    add_keys_options(app, options.keys, &options.protection.insecure);
}

void run(Settings& settings, SignalReader& signals) {
    broker::ShellOptions& options = settings.shell;
    require(net::check_endpoint(settings.bind, "--bind", true));
    if (!options.advertise.empty())
        require(net::check_endpoint(options.advertise, "--advertise", false));
    if (settings.in_memory) options.state.clear();
    if (options.memory_bytes < limits::least_memory_bytes)
        throw StartupError("--memory: 32M is the least");
    if (options.worker_timeout < limits::shortest_timeout)
        throw StartupError("--worker-timeout: 500ms is the least");
    options.bind = {settings.bind};
    share_one_heap();
    use_all_descriptors();
    signals.also(SIGHUP);
    zmq::context_t context;
    std::optional<net::Gatekeeper> gatekeeper;
    if (!options.keys.empty()) {
        options.protection.gatekeeper = &gatekeeper.emplace(
            context, net::Gatekeeper::Options{.own = require(load_identity(options.keys)),
                                              .component = "broker"});
    }
    net::warn_if_open("broker", options.protection, {settings.bind});
    broker::Shell shell(context, options);
    announce_ready(shell.endpoints().front());
    shell.run(&signals);
}
}  // namespace
}  // namespace fanfold

int main(int argc, char** argv) {
    using namespace fanfold;
    CLI::App app("Accepts jobs, lends their fragments to workers, and knows of each where it is.",
                 "fanfold-broker");
    app.footer(examples);
    LogOptions log;
    Settings settings;
    add_options(app, settings);
    add_common_options(app, log);
    return run_program(app, argc, argv, log,
                       [&](SignalReader& signals) { return run(settings, signals), 0; });
}
