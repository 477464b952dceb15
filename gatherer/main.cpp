#include <csignal>

#include "gatherer/shell.hpp"
#include "shared/base/machine.hpp"
#include "shared/net/endpoints.hpp"
#include "shared/program/program.hpp"
#include "shared/program/signals.hpp"
#include "shared/security/handshake.hpp"
#include "shared/security/secured_sockets.hpp"

namespace {

using namespace fanfold;

struct Settings {
    gatherer::ShellOptions shell;
    std::string bind = "tcp://127.0.0.1:7421";
    std::string keys;  // a folder; empty: none
    bool in_memory = false;
};

void declare_options(CLI::App& app, Settings& settings) {
    gatherer::ShellOptions& shell = settings.shell;
    add_broker_option(app, shell.broker);
    app.add_option(
           "--bind", settings.bind,
           "where it listens: tcp://HOST:PORT (the port * takes any free ones) or ipc://PATH")
        ->type_name("ENDPOINT")
        ->capture_default_str();
    app.add_option("--advertise", shell.advertise, "as which endpoint its peers reach --bind")
        ->type_name("ENDPOINT");
    app.add_option("--name", shell.name,
                   "a name of its own among the broker's gatherers, the same at each start [the "
                   "host's name "
                   "and a random part, kept in --state]")
        ->type_name("NAME");
    add_size(app, "--memory", shell.memory_bytes,
             "most bytes of results held in memory; more wait in the store [1G]");
    shell.state = default_state_folder();
    auto* state =
        app.add_option(
               "--state", shell.state,
               "the folder in which jobs and results are kept: they survive the gatherer's death")
            ->type_name("FOLDER")
            ->capture_default_str();
    add_duration(app, "--keep", shell.keep,
                 "how long results are kept of jobs that no broker knows any more");
    app.add_flag("--volatile", settings.in_memory, "keep them in memory alone: they die with it")
        ->excludes(state);
    add_keys_options(app, settings.keys, &shell.protection.insecure);
}

/// Throws StartupError for what can't be.
void check(Settings& settings) {
    gatherer::ShellOptions& shell = settings.shell;
    require(net::check_endpoint(shell.broker, "--broker", false));
    require(net::check_endpoint(settings.bind, "--bind", true));
    if (!shell.advertise.empty())
        require(net::check_endpoint(shell.advertise, "--advertise", false));
    if (shell.memory_bytes < limits::least_memory_bytes)
        throw StartupError("--memory: 32M is the least");
    if (settings.in_memory) shell.state.clear();
    shell.bind = {settings.bind};
}

int run(Settings& settings, SignalReader& signals) {
    check(settings);
    share_one_heap();
    use_all_descriptors();
    signals.also(SIGHUP);
    gatherer::ShellOptions& options = settings.shell;
    zmq::context_t context;
    std::optional<net::Gatekeeper> gatekeeper;
    if (!settings.keys.empty()) {
        options.keys = require(load_keys(settings.keys));
        options.protection.gatekeeper = &gatekeeper.emplace(
            context, net::Gatekeeper::Options{.own = options.keys->own, .component = "gatherer"});
    }
    net::warn_if_open("gatherer", options.protection, options.bind);
    net::warn_if_plain("gatherer", options.keys, options.broker);
    gatherer::Shell shell(context, options);
    announce_ready(shell.endpoints().front());
    shell.run(&signals);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app(
        "Assembles the results of jobs, enforces their deadlines, and streams to those who "
        "collect.",
        "fanfold-gatherer");
    app.footer(R"(Examples:
  fanfold-gatherer --broker tcp://127.0.0.1:7411
  fanfold-gatherer --state /srv/fanfold --memory 4G   results may be far larger
  fanfold-gatherer --volatile                         nothing is kept on disk
  fanfold-gatherer --keys store --broker tcp://head:7411 \
      --bind tcp://0.0.0.0:7421 --advertise tcp://203.0.113.6:7421

It takes two ports: the one given, for results, and the next, for collectors.
Started again with the same --state and --name, it goes on where it was. A
second gatherer of a host needs a --state, a --name and a --bind of its own. On
SIGHUP it opens its log file anew.)");
    LogOptions log;
    Settings settings;
    declare_options(app, settings);
    add_common_options(app, log);
    return run_program(app, argc, argv, log,
                       [&](SignalReader& signals) { return run(settings, signals); });
}
