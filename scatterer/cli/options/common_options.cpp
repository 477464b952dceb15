#include "scatterer/cli/options/common_options.hpp"

#include <algorithm>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/words.hpp"
#include "scatterer/cli/options/option_values.hpp"
#include "shared/net/endpoints.hpp"

namespace fanfold::scatterer::cli {

void choose(const char* option, const std::string& text, const std::vector<std::string>& accepted) {
    if (std::find(accepted.begin(), accepted.end(), text) != accepted.end()) return;
    throw UsageError(option + (" '" + text) + "': one of " + joined(accepted, ", ") + " is wanted");
}

void add_output(OptionSet& set, const char* plain, Format& format) {
    auto take = [plain, &format](const std::string& text) {
        choose("--output", text, {plain, "json"});
        format = text == "json" ? Format::json : Format::text;
    };
    set.value("--output FORMAT", take, std::string(plain) + ", or json: one object a line");
}

void add_common(OptionSet& set, CommonOptions& common) {
    auto broker = [&common](const std::string& text) {
        if (!text.empty())
            if (auto good = net::check_endpoint(text, "--broker", false); !good)
                throw UsageError(good.error().text);
        common.broker = text;
        common.broker_origin = "--broker";
    };
    auto connect_timeout = [&common](const std::string& text) {
        common.connect_timeout = duration_value("--connect-timeout", text);
    };
    auto give_up = [&common](const std::string& text) {
        common.give_up = duration_value("--give-up", text);
    };
    auto log_level = [&common](const std::string& text) {
        choose("--log-level", text, {"trace", "debug", "info", "warn", "error", "off"});
        common.log_level = text;
    };
    auto log_format = [&common](const std::string& text) {
        choose("--log-format", text, {"text", "json"});
        common.log_format = text;
    };
    set.value("--broker ENDPOINT", broker,
              "The broker, such as tcp://127.0.0.1:7411 (else $FANFOLD_BROKER); '' for none");
    set.value("--connect-timeout D", connect_timeout,
              "How long to wait for the first answer of the broker (5s)");
    set.value(
        "--give-up D", give_up,
        "How long to wait for a broker that falls silent, or a gatherer out of reach (10min)");
    set.value(
        "--keys FOLDER", [&common](const std::string& text) { common.keys = text; },
        "Where its keys are (else $FANFOLD_KEYS): all traffic is encrypted; '' for none");
    set.value("--log-level LEVEL", log_level,
              "trace, debug, info, warn, error or off (the default)");
    set.value("--log-file FILE", common.log_file, "Where the log goes; else to stderr");
    set.value("--log-format FORMAT", log_format, "text or json");
}

void add_share(OptionSet& set, const std::function<void(const JobChange&)>& take) {
    set.value(
        "--priority N",
        [take](const std::string& text) { take({.priority = priority_value(text)}); },
        "Jobs of a higher priority are served first (0)");
    set.value(
        "--weight W", [take](const std::string& text) { take({.weight = weight_value(text)}); },
        "Jobs of one priority share slots' time by it (1)");
    auto max_running = [take](const std::string& text) {
        auto number = static_cast<std::uint32_t>(number_value("--max-running", text, {}));
        take({.max_running = number});
    };
    set.value("--max-running N", max_running, "Most fragments at workers at a time (0: no limit)");
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

}  // namespace fanfold::scatterer::cli
