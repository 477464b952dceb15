// fanfold: the command line of the scatterer. Parses, runs one verb, turns errors into exit codes.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>
#include <vector>

#include "scatterer/cli/base/console.hpp"
#include "scatterer/cli/base/exit_codes.hpp"
#include "scatterer/cli/base/output.hpp"
#include "scatterer/cli/options/parse.hpp"
#include "scatterer/cli/verbs/backup.hpp"
#include "scatterer/cli/verbs/doctor.hpp"
#include "scatterer/cli/verbs/keygen.hpp"
#include "scatterer/cli/verbs/map.hpp"
#include "scatterer/cli/verbs/queries.hpp"
#include "scatterer/cli/verbs/signal_watch.hpp"
#include "scatterer/cli/verbs/submit.hpp"
#include "shared/base/machine.hpp"
#include "shared/log/logging.hpp"
#include "shared/program/standard_descriptors.hpp"

namespace {

namespace cli = fanfold::scatterer::cli;

int run(const cli::CommandLine& line, cli::Console& console) {
    fanfold::tune_heap();
    fanfold::share_one_heap();
    fanfold::set_up_logging({.level = line.common.log_level,
                             .file = line.common.log_file,
                             .format = line.common.log_format});
    cli::SignalWatch signals;  // before any other thread
    switch (line.verb) {
        case cli::Verb::keygen: return cli::run_keygen(line);
        case cli::Verb::doctor: return cli::run_doctor(line);
        case cli::Verb::backup: return cli::run_backup(line);
        case cli::Verb::restore: return cli::run_restore(line);
        case cli::Verb::map: return cli::run_map(line, signals, console);
        case cli::Verb::submit: return cli::run_submit(line, signals, console);
        case cli::Verb::jobs:
        case cli::Verb::status:
        case cli::Verb::wait:
        case cli::Verb::results:
        case cli::Verb::cancel:
        case cli::Verb::set:
        case cli::Verb::retry:
        case cli::Verb::forget:
        case cli::Verb::workers:
        case cli::Verb::gatherers:
        case cli::Verb::functions: break;
    }
    return cli::run_query(line, console);
}

}  // namespace

int main(int argc, char** argv) {
    fanfold::open_standard_descriptors();
    std::signal(SIGPIPE, SIG_IGN);  // a closed stdout is an answer of write()
    cli::Console console;
    try {
        const char* broker = std::getenv("FANFOLD_BROKER");
        auto parsed = cli::parse_command_line({argv + 1, argv + argc}, broker ? broker : "");
        if (parsed.command) return run(*parsed.command, console);
        return cli::write_all(1, parsed.text) || errno == EPIPE ? cli::exit_good : cli::exit_error;
    } catch (const std::exception& error) {
        console.say(error.what());
        return cli::exit_error;
    }
}
