#include <csignal>

#include "gatherer/shell.hpp"
#include "shared/net/twin.hpp"
#include "shared/program/program.hpp"
#include "shared/security/handshake.hpp"

int main(int argc, char** argv) {
    using namespace fanfold;
    CLI::App app(
        "Assembles the results of jobs, enforces their deadlines, and streams to those who "
        "collect.",
        "fanfold-gatherer");
    app.footer(
        "Examples:\n"
        "  fanfold-gatherer --broker tcp://127.0.0.1:7411\n"
        "  fanfold-gatherer --state /srv/fanfold --memory 4G   results may be far larger than "
        "that\n"
        "  fanfold-gatherer --volatile                         nothing is kept on disk\n"
        "  fanfold-gatherer --keys store --broker tcp://head:7411 --bind tcp://0.0.0.0:7421 "
        "--advertise tcp://203.0.113.6:7421\n\n"
        "It takes two ports: the one given, for results, and the next, for collectors. Started "
        "again with the same --state and --name,\n"
        "it goes on where it was. A second gatherer of a host needs a --state, a --name and a "
        "--bind of its own.");
    LogOptions log;
    gatherer::ShellOptions options;
    std::string bind = "tcp://127.0.0.1:7421";
    add_broker_option(app, options.broker);
    app.add_option(
           "--bind", bind,
           "where it listens: tcp://HOST:PORT (the port * takes any free ones) or ipc://PATH")
        ->capture_default_str();
    app.add_option("--advertise", options.advertise, "as which endpoint its peers reach --bind");
    bool no_ipc = false;
    app.add_flag(
        "--no-ipc", no_ipc,
        "no ipc beside TCP for peers of this host and user; also by FANFOLD_TRANSPORT=tcp");
    app.add_option(
        "--name", options.name,
        "a name of its own among the broker's gatherers, the same at each start [the host's name]");
    add_size(app, "--memory", options.memory_bytes,
             "most bytes of results held in memory; more wait in the store [1G]");
    options.state = default_state_folder();
    auto* state =
        app.add_option(
               "--state", options.state,
               "the folder in which jobs and results are kept: they survive the gatherer's death")
            ->capture_default_str();
    add_duration(app, "--keep", options.keep,
                 "how long results are kept of jobs that no broker knows any more");
    bool in_memory = false;
    app.add_flag("--volatile", in_memory, "keep them in memory alone: they die with it")
        ->excludes(state);
    std::string keys;
    add_keys_options(app, keys, &options.protection.insecure);
    add_common_options(app, log);
    return run_program(app, argc, argv, log, [&](net::SignalReader& signals) {
        net::require(net::check_endpoint(options.broker, "--broker", false));
        net::require(net::check_endpoint(bind, "--bind", true));
        if (!options.advertise.empty())
            net::require(net::check_endpoint(options.advertise, "--advertise", false));
        if (options.memory_bytes < limits::least_memory_bytes)
            throw StartupError("--memory: 32M is the least");
        if (in_memory) options.state.clear();
        // The broker knows its jobs' gatherer by name, so one that goes on where it was needs the
        // same at each start.
        if (options.name.empty()) options.name = in_memory ? default_name() : host_name();
        options.bind = {bind};
        if (no_ipc) net::use_tcp_alone();
        net::share_one_heap();
        use_all_descriptors();
        signals.also(SIGHUP);
        zmq::context_t context;
        std::optional<net::Gatekeeper> gatekeeper;
        if (!keys.empty()) {
            options.keys = net::require(load_keys(keys));
            options.protection.gatekeeper = &gatekeeper.emplace(
                context,
                net::Gatekeeper::Options{.own = options.keys->own, .component = "gatherer"});
        }
        net::warn_if_open("gatherer", options.protection, {bind});
        net::warn_if_plain("gatherer", options.keys, options.broker);
        gatherer::Shell shell(context, options);
        announce_ready(shell.endpoints().front());
        shell.run(&signals);
        return 0;
    });
}
