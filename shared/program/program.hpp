// What the three daemons have in common around their main(): options, the log, signals, errors
// turned into exit codes.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/log/logging.hpp"
#include "shared/program/signals.hpp"

namespace fanfold {

/// Exit code for anything wrong with the call or the system.
inline constexpr int exit_error = 255;

/// Where a daemon keeps its state unless it is told: $XDG_STATE_HOME/fanfold, else
/// ~/.local/state/fanfold, else /var/lib/fanfold.
std::string default_state_folder();

/// Options that every program has.
void add_common_options(CLI::App& app, LogOptions& log);

/// The option --broker, or FANFOLD_BROKER, or the default of fanfold-broker --bind.
void add_broker_option(CLI::App& app, std::string& broker);

/// The option --keys, or FANFOLD_KEYS; and --insecure of a program that binds.
void add_keys_options(CLI::App& app, std::string& keys, bool* insecure = nullptr);

/// An option that takes a duration such as 500ms, 10s or 1h30m (a bare number is seconds).
CLI::Option* add_duration(CLI::App& app, const std::string& name, Duration& value,
                          const std::string& help);
/// An option that takes a size such as 64M or 1G.
CLI::Option* add_size(CLI::App& app, const std::string& name, std::uint64_t& value,
                      const std::string& help);

/// For programs that listen: as many descriptors as the system grants, so that connections which
/// never finish their handshake (they are dropped after 5 s) leave some for those that do. Not for
/// programs that start others, which would inherit it.
void use_all_descriptors();

/// Tells scripts on stdout, in one line, that the program is ready, and where it is reached.
void announce_ready(const std::string& endpoint);

/// Parses, sets the log up, warns if it runs as root, blocks the signals, and calls `run` with
/// their reader. Anything thrown is told on stderr.
int run_program(CLI::App& app, int argc, char** argv, LogOptions& log,
                const std::function<int(SignalReader&)>& run);

}  // namespace fanfold
