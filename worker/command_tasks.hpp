// Tasks whose fragments are command lines: turns payloads into commands, one after the other, and their ends into values and
// failures. The commands themselves are CommandRunner's.
//
// Threads: run(), stop() and trim() are called by the shell, the ends come on the runner's thread; one mutex guards the tasks. Events
// are delivered while it is held, so they come in order; `deliver` must not call back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "worker/commands.hpp"
#include "worker/core.hpp"
#include "worker/functions.hpp"

namespace fanfold::worker {

class CommandTasks {
public:
    struct Options {
        std::string guardian;                             // path of the guardian program; empty: found
        std::uint64_t max_output = limits::output_bytes;  // of each stream; a job may ask for less
        Duration kill_grace = limits::kill_grace;
        std::function<void(Event)> deliver;
    };
    /// Throws StartupError when the guardian can't be started.
    explicit CommandTasks(Options options);
    /// Kills what runs; delivers nothing any more.
    ~CommandTasks();

    /// `function` is a CommandLine or Exec, and outlives the task.
    void run(Task task, const Function& function);
    void stop(std::uint64_t task);
    /// Gives up what the task has not begun from that index on, and delivers Trimmed; false if there is no such task.
    bool trim(const Trim& action);

private:
    struct Active {
        Task task;
        const Function* function = nullptr;
        std::uint32_t done = 0;  // fragments of the task
        std::size_t offset = 0;  // of the next payload
        bool stopped = false;
    };

    void start_next(std::uint64_t number);
    void on_end(CommandEnd end);
    void fail(const Active& active, std::string message);
    void report(const Active& active, CommandEnd end);
    void deliver(Event event);

    Options options_;
    std::mutex mutex_;
    bool closed_ = false;
    std::map<std::uint64_t, Active> active_;  // by the task's number, which is its command's id as well: one runs at a time
    std::unique_ptr<CommandRunner> runner_;   // last: its thread ends before the rest goes
};

}  // namespace fanfold::worker
