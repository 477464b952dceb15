#include "gatherer/shell.hpp"
#include "shared/program.hpp"

int main(int argc, char** argv) {
    using namespace fanfold;
    CLI::App app("Assembles the results of jobs, enforces their deadlines, and streams to those who collect.", "fanfold-gatherer");
    app.footer(
        "Examples:\n"
        "  fanfold-gatherer --broker tcp://127.0.0.1:7411\n"
        "  fanfold-gatherer --state /var/lib/fanfold          results survive its death\n"
        "  fanfold-gatherer --broker tcp://head:7411 --bind tcp://0.0.0.0:7421 --advertise tcp://203.0.113.6:7421\n\n"
        "It takes two ports: the one given, for results, and the next, for collectors.");
    LogOptions log;
    gatherer::ShellOptions options;
    options.name = default_name();
    std::string bind = "tcp://127.0.0.1:7421";
    add_broker_option(app, options.broker);
    app.add_option("--bind", bind, "where it listens: tcp://HOST:PORT (the port * takes any free ones) or ipc://PATH")
        ->capture_default_str();
    app.add_option("--advertise", options.advertise, "as which endpoint its peers reach --bind");
    app.add_option("--name", options.name, "a name of its own among the broker's gatherers")->capture_default_str();
    add_size(app, "--memory", options.memory_bytes, "most bytes of results held in memory [1G]");
    auto* state = app.add_option("--state", options.state, "keep jobs and results in this folder; started again with it, it goes on");
    bool in_memory = false;
    app.add_flag("--volatile", in_memory, "keep them in memory alone: they die with it (the default)")->excludes(state);
    add_common_options(app, log);
    return run_program(app, argc, argv, log, [&](net::SignalReader& signals) {
        net::require(net::check_endpoint(options.broker, "--broker", false));
        net::require(net::check_endpoint(bind, "--bind", true));
        if (!options.advertise.empty()) net::require(net::check_endpoint(options.advertise, "--advertise", false));
        options.bind = {bind};
        zmq::context_t context;
        gatherer::Shell shell(context, options);
        announce_ready(shell.endpoints().front());
        shell.run(&signals);
        return 0;
    });
}
