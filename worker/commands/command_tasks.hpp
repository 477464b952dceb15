// Tasks whose fragments are command lines: turns payloads into commands, one after the other, and
// their ends into values and failures. The commands themselves are CommandRunner's.
//
// The values of short commands wait until their task's end, or scan(), so that the shell is not
// woken for each. What is to be told is delivered once the runner has handed the next commands on:
// it comes in order, since it all goes through one outbox.
//
// Threads: run(), stop(), trim() and scan() are called by the shell and the watch, the ends come on
// the runner's thread; one mutex guards the tasks and the outbox, another is held while what was in
// the outbox is delivered; `deliver` must not call back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "worker/commands/command_runner.hpp"
#include "worker/core/events.hpp"
#include "worker/handlers/functions.hpp"

namespace fanfold::worker {

class CommandTasks {
public:
    struct Options {
        std::string guardian;  // path of the guardian program; empty: found
        std::uint64_t max_output = limits::output_bytes;  // of each stream; a job may ask for less
        Duration kill_grace = limits::kill_grace;
        Containment containment = {};
        std::string check = {};  // a line for the shell, which decides whether commands can be run
        std::function<void(Event)> deliver;
    };
    /// Throws StartupError when the guardian can't be started.
    explicit CommandTasks(Options options);
    /// Kills what runs; delivers nothing any more.
    ~CommandTasks();

    /// `function` is a CommandLine or Exec, and outlives the task.
    void run(Task task, const Function& function);
    void stop(std::uint64_t task);
    /// Gives up what the task has not begun from that index on, and delivers Trimmed; false if
    /// there is no such task.
    bool trim(const Trim& action);
    /// Runs a command that writes a small file into its folder, and then the one of the options;
    /// delivers Checked.
    void check();
    /// Delivers the values that wait. False when no task could have any until run() is called
    /// again.
    bool scan();

private:
    struct Active {
        Task task;
        const Function* function = nullptr;
        std::uint32_t slot = 1;  // its commands find this number: the first that no other task has
        std::uint32_t next = 0;  // fragment of the task, of which there is no command yet
        std::size_t offset = 0;  // of its payload
        bool runs = false;       // the command of the fragment before that
        bool stopped = false;
        bool away = false;  // from its submitter's folder, which is not here: in fresh ones
        std::vector<Event> waiting = {};  // values of short commands

        Index running() const { return task.first + next - 1; }
    };

    std::uint32_t free_slot() const;
    void go_on(std::uint64_t number);
    void start_next(Active& active);
    void take_check(const CommandEnd& end);
    Result<Command> next_command(const Active& active, const Slice& payload) const;
    static std::string outputs_of(const Active& active, const CommandEnd& end);
    void on_end(CommandEnd end);
    void report(Active& active, CommandEnd end);
    void report_failure(Active& active, wire::Failure failure, Slice output,
                        std::optional<wire::TroubleKind> trouble = {});
    void flush_waiting(Active& active);
    void deliver();

    Options options_;
    std::mutex delivery_;  // taken before the other
    bool closed_ = false;  // guarded by it
    std::mutex mutex_;     // guards the two below
    std::vector<Event> outbox_;
    std::map<std::uint64_t, Active> active_;  // by the task's number
    std::unique_ptr<CommandRunner> runner_;   // last: its thread ends before the rest goes
};

}  // namespace fanfold::worker
