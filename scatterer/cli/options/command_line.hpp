// The command line of `fanfold` as plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/command/template.hpp"
#include "scatterer/cli/input/inputs.hpp"
#include "scatterer/cli/output/format.hpp"

namespace fanfold::scatterer::cli {

enum class Verb {
    map,
    submit,
    jobs,
    status,
    wait,
    results,
    cancel,
    set,
    retry,
    forget,
    workers,
    gatherers,
    functions,
    doctor,
    keygen,
    backup,
    restore
};
const char* to_string(Verb verb);
/// Throws UsageError for a word that names none.
Verb verb_named(const std::string& word);

/// What every verb takes.
struct CommonOptions {
    std::string broker;         // --broker, else $FANFOLD_BROKER; empty: embedded
    std::string broker_origin;  // which of the two
    std::chrono::milliseconds connect_timeout = limits::connect_timeout;
    std::chrono::milliseconds give_up = limits::give_up;
    std::optional<std::string> keys;  // --keys; nothing: $FANFOLD_KEYS
    std::string log_level = "off";    // what a user must know is said without a log
    std::string log_file;             // empty: stderr
    std::string log_format = "text";
};

/// Where commands run.
enum class Place : std::uint8_t {
    usual,   // here where the worker has this folder, else in a fresh one
    here,    // in this folder, or not at all
    fresh,   // each in a folder of its own
    folder,  // in JobOptions::cwd
};

/// Whether as many inputs as fit go into a command line; and what fills none, among all slots.
enum class Pack : std::uint8_t { no, filled, shared_out };

/// -j
struct SlotCount {
    std::uint32_t number = 0;    // 0: as many as can be
    bool of_processors = false;  // counted from this machine's
};

/// `map` and `submit`.
struct MapOptions {
    std::vector<std::string> words;  // COMMAND and SOURCEs
    SourceSeparators separators;
    Pack pack = Pack::no;
    std::uint64_t line_bytes = limits::line_bytes;  // with it
    SourceOptions sources;
    TemplateOptions command;
    std::size_t block_bytes = limits::pipe_block_bytes;  // with --pipe
    std::string function;                                // empty: commands
    bool json_lines = false;
    JobOptions job;
    Place place = Place::usual;
    std::optional<SlotCount> slots;
    std::chrono::milliseconds delay{};  // between submissions
    std::uint32_t nice = 0;
    std::string bind;
    bool insecure = false;
    std::vector<std::pair<std::string, std::string>> declared;  // name, command line
    bool tag = false;
    std::string tag_text;  // a template; empty: the input
    ShowCommand show_command = ShowCommand::no;
    bool dry_run = false;
    bool quiet = false;
    std::optional<bool> progress;  // nothing: on a terminal
    Format output = Format::text;
    std::string results_folder;
    std::string joblog;
    bool resume = false;         // what the job log lists, or the key's job has, is not run again
    bool resume_failed = false;  // what failed by the job log is run again
};

/// Which jobs are listed.
struct JobFilter {
    std::string state;  // an outcome's name; empty: any
    std::string name;   // a part of the title
    std::optional<std::string> user;
    std::optional<std::chrono::milliseconds> since;  // opened no longer ago
    std::optional<std::size_t> limit;                // the latest
};

/// The others.
struct QueryOptions {
    std::vector<std::string> jobs;  // as selectors
    JobFilter filter;               // of the verb jobs
    Format output = Format::text;
    JobChange change;  // of the verb set
    /// Of the verbs cancel and results, [begin, end); none: all of the job.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> fragments;
    /// Of the verb gatherers: what is to be done with those that `jobs` names; nothing: shown.
    std::optional<bool> drain;
    bool until_drained = false;
    bool ordered = false;
    bool failed_only = false;
    bool now = false;
    bool quiet = false;
};

/// `keygen`.
struct KeygenOptions {
    std::string name;  // of the user; empty: the name of the calling user
    std::string roles = "submit";
    std::string trust;  // a file with a broker's public key
    bool for_broker = false;
};

/// `doctor`.
struct DoctorOptions {
    std::string from = "client";  // the role whose ports are tried
};

/// `backup` and `restore`.
struct BackupOptions {
    std::string copy;   // the folder with the copy
    std::string state;  // and that of the state; empty: where daemons keep it by default
};

struct CommandLine {
    Verb verb = Verb::map;
    CommonOptions common;
    MapOptions map;
    QueryOptions query;
    DoctorOptions doctor;
    KeygenOptions keygen;
    BackupOptions backup;
};

}  // namespace fanfold::scatterer::cli
