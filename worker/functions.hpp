// What a worker can run, by name. Filled before the work begins, then read from any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "worker/include/fanfold/worker.hpp"

namespace fanfold::worker {

/// Run by /bin/sh -c for each fragment.
struct CommandLine {
    std::string text;
};
/// The command line comes with each fragment.
struct Exec {};
/// Waits for as many seconds as the payload says.
struct Sleep {};
using Function = std::variant<RawHandler, CommandLine, Exec, Sleep>;

inline constexpr std::string_view exec_name = "fanfold.exec";

class FunctionTable {
public:
    /// Holds the built-in functions: fanfold.echo, fanfold.sleep, fanfold.fail.
    FunctionTable();

    /// Throws std::invalid_argument for a name that can't be used, saying why.
    void add_handler(const std::string& name, RawHandler handler);
    /// The same, also for an empty line.
    void add_command(const std::string& name, const std::string& line);
    /// Offers fanfold.exec: command lines that come with a job.
    void allow_exec();

    const Function* find(const std::string& name) const;
    /// All that is offered, ascending.
    std::vector<std::string> names() const;
    /// Whether anything in it is run by a CommandRunner.
    bool runs_commands() const;

private:
    void add(const std::string& name, Function function);

    std::map<std::string, Function> functions_;
};

}  // namespace fanfold::worker
