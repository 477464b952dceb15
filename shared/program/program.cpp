#include "shared/program/program.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "shared/base/duration.hpp"
#include "shared/base/machine.hpp"
#include "shared/base/text.hpp"
#include "shared/program/help_formatter.hpp"
#include "shared/program/standard_descriptors.hpp"

namespace fanfold {

std::string default_state_folder() {
    auto absolute = [](const char* variable) {
        const char* folder =
            std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): before any thread
        return folder && folder[0] == '/' ? std::string(folder) : std::string{};
    };
    if (std::string folder = absolute("XDG_STATE_HOME"); !folder.empty())
        return folder + "/fanfold";
    if (std::string folder = absolute("HOME"); !folder.empty())
        return folder + "/.local/state/fanfold";
    return "/var/lib/fanfold";
}

void add_common_options(CLI::App& app, LogOptions& log) {
    app.add_option("--log-level", log.level, "trace, debug, info, warn, error or off")
        ->type_name("LEVEL")
        ->capture_default_str();
    app.add_option("--log-file", log.file, "write the log to this file instead of stderr")
        ->type_name("FILE");
    app.add_option(
           "--log-rotate", log.rotate,
           "past the size the log file is renamed and begun again, and so many old ones are "
           "kept; 0:0: it grows")
        ->type_name("SIZE:COUNT")
        ->capture_default_str();
    app.add_option("--log-format", log.format, "text or json")
        ->type_name("FORMAT")
        ->capture_default_str();
    app.set_version_flag("-V,--version", "fanfold " FANFOLD_VERSION, "Show the version and leave");
    app.set_help_flag("-h,--help", "Show this and leave");
    app.formatter(std::make_shared<HelpFormatter>());
}

void add_broker_option(CLI::App& app, std::string& broker) {
    broker = "tcp://127.0.0.1:7411";
    app.add_option("--broker", broker, "the broker's endpoint; also by FANFOLD_BROKER")
        ->type_name("ENDPOINT")
        ->envname("FANFOLD_BROKER")
        ->capture_default_str();
}

void add_keys_options(CLI::App& app, std::string& keys, bool* insecure) {
    app.add_option("--keys", keys,
                   "the folder with its keys (fanfold keygen makes them): all traffic is "
                   "encrypted; also by FANFOLD_KEYS")
        ->type_name("FOLDER")
        ->envname("FANFOLD_KEYS");
    if (insecure)
        app.add_flag("--insecure", *insecure,
                     "listen without keys also where other hosts reach it");
}

namespace {
template <class T, class Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& value, const std::string& help,
                        const char* type, Parse parse) {
    auto read = [&value, name, parse](const std::string& word) {
        auto parsed = parse(word);
        if (!parsed) throw CLI::ValidationError(name, parsed.error().text);
        value = *parsed;
    };
    return app.add_option_function<std::string>(name, read, help)->type_name(type);
}
}  // namespace

CLI::Option* add_duration(CLI::App& app, const std::string& name, Duration& value,
                          const std::string& help) {
    return add_parsed(app, name, value,
                      help + (value.count() > 0 ? " [" + to_string(value) + "]" : ""), "DURATION",
                      [](const std::string& text) { return parse_duration(text); });
}

CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value,
                      const std::string& help) {
    return add_parsed(app, name, value, help, "SIZE",
                      [](const std::string& text) { return parse_size(text); });
}

namespace {
/// The last one first, as CLI11 wants them. It would take the next word for the value of "--name=".
std::vector<std::string> words_of(int argc, char** argv) {
    std::vector<std::string> words;
    for (int i = argc - 1; i > 0; --i) {
        std::string word = argv[i];
        if (word.starts_with("--") && word.find('=') + 1 == word.size()) {
            words.emplace_back();
            word.pop_back();
        }
        words.push_back(std::move(word));
    }
    return words;
}
}  // namespace

void use_all_descriptors() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);  // what there is does, too
}

void announce_ready(const std::string& endpoint) {
    std::printf("ready %s\n", endpoint.c_str());
    std::fflush(stdout);
}

int run_program(CLI::App& app, int argc, char** argv, LogOptions& log,
                const std::function<int(SignalReader&)>& run) {
    open_standard_descriptors();
    try {
        app.parse(words_of(argc, argv));
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        std::fprintf(stderr, "%s: %s\nsee %s --help\n", app.get_name().c_str(),
                     printable(error.what()).c_str(), app.get_name().c_str());
        return exit_error;
    }
    const std::string& name = app.get_name();
    const char* component = name.c_str() + name.find('-') + 1;
    bool has_log_file = false;
    try {
        tune_heap();
        set_up_logging(log);
        has_log_file = !log.file.empty();
        if (geteuid() == 0)
            write_log(component,
                      {.level = Level::warn,
                       .what = "it runs as root",
                       .detail = "and so does whatever it starts; start it as a user of its own"});
        std::signal(SIGPIPE, SIG_IGN);
        SignalReader signals;
        return run(signals);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name.c_str(), printable(error.what()).c_str());
        if (has_log_file)
            write_log(component,
                      {.level = Level::error, .what = "the program ends", .detail = error.what()});
        return exit_error;
    }
}

}  // namespace fanfold
