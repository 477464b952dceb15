#include <thread>

#include "shared/program.hpp"
#include "worker/shell.hpp"

int main(int argc, char** argv) {
    using namespace fanfold;
    CLI::App app("Runs the fragments of jobs: commands that you declare, or that come with a job where you allow it.", "fanfold-worker");
    app.footer(
        "Examples:\n"
        "  fanfold-worker --function wc='wc -w'              offers one command: payload on stdin, result from stdout\n"
        "  fanfold-worker --slots 8 --allow-exec             runs whatever command comes with a job\n"
        "  fanfold-worker --broker tcp://head:7411\n\n"
        "Every worker offers fanfold.echo, fanfold.sleep (payload: seconds) and fanfold.fail, for trying out a fleet.\n"
        "On SIGTERM it finishes what runs and gives the rest back; a second one ends it at once.");
    LogOptions log;
    worker::ShellOptions options;
    options.name = default_name();
    options.slots = std::max(1u, std::thread::hardware_concurrency());
    std::vector<std::string> declared;
    bool allow_exec = false;
    add_broker_option(app, options.broker);
    app.add_option("--slots", options.slots, "executions at a time")->capture_default_str()->check(CLI::Range(1u, limits::slots));
    app.add_option("--name", options.name, "a name for people and logs")->capture_default_str();
    app.add_option("--function", declared, "offer a command as a function: NAME='COMMAND LINE' (may be given more than once)")->take_all();
    app.add_flag("--allow-exec", allow_exec, "run command lines that come with jobs, whatever they are");
    add_size(app, "--max-output", options.max_output, "most bytes of a command's output [64M]");
    add_common_options(app, log);
    return run_program(app, argc, argv, log, [&](net::SignalReader& signals) {
        net::require(net::check_endpoint(options.broker, "--broker", false));
        for (const std::string& function : declared) {
            auto equals = function.find('=');
            if (equals == std::string::npos)
                throw StartupError("--function: '" + function + "' has no '='; write it as NAME='COMMAND LINE'");
            options.functions.add_command(function.substr(0, equals), function.substr(equals + 1));
        }
        if (allow_exec) options.functions.allow_exec();
        zmq::context_t context;
        worker::Shell shell(context, options);
        shell.run(&signals, [&] { announce_ready(options.broker); });
        return 0;
    });
}
