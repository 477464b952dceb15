// What a worker can run, by name. Filled before the work begins, then read from any thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"
#include "worker/include/fanfold/worker.hpp"

namespace fanfold::worker {

/// Run by /bin/sh -c for each fragment.
struct CommandLine {
    std::string text;
};
/// The command line comes with each fragment.
struct Exec {};
/// Waits for as many seconds as the payload says.
struct Sleep {
    /// From a number, or a text that holds one.
    static Result<Duration> time(std::string_view payload);
};
/// Gives the payloads back, a chunk at a time.
struct Echo {};
using Function = std::variant<RawHandler, CommandLine, Exec, Sleep, Echo>;

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
    /// A fragment of this function may run twice, at the same time too, and nothing is wrong.
    /// fanfold.echo and fanfold.sleep are so anyway. Throws std::invalid_argument, naming what is
    /// offered, for a function that is not.
    void declare_idempotent(const std::string& name);

    const Function* find(const std::string& name) const;
    /// All that is offered, ascending.
    std::vector<std::string> names() const;
    std::vector<std::string> idempotent() const { return {idempotent_.begin(), idempotent_.end()}; }
    /// Whether anything in it is run by a CommandRunner.
    bool runs_commands() const;

private:
    void add(const std::string& name, Function function);

    std::map<std::string, Function> functions_;
    std::set<std::string> idempotent_;
};

}  // namespace fanfold::worker
