// Tasks whose fragments are command lines: turns payloads into commands, one after the other, and
// their ends into values and failures. The commands themselves are CommandRunner's.
//
// Of a task whose commands are short, the next two are handed to the runner while one still runs,
// to begin the moment that the one before ends. Should it take long after all, they come back, so
// that they can be trimmed.
//
// The values of short commands wait until their task's end, or look(), so that the shell is not
// woken for each. What is to be told is delivered once the runner has handed the next commands on:
// it comes in order, since it all goes through one outbox.
//
// Threads: run(), stop(), trim() and look() are called by the shell and the watch, the ends come on
// the runner's thread; one mutex guards the tasks and the outbox, another is held while what was in
// the outbox is delivered; `deliver` must not call back.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "worker/commands/commands.hpp"
#include "worker/core/core.hpp"
#include "worker/handlers/functions.hpp"

namespace fanfold::worker {

class CommandTasks {
public:
    struct Options {
        std::string guardian;  // path of the guardian program; empty: found
        std::uint64_t max_output = limits::output_bytes;  // of each stream; a job may ask for less
        Duration kill_grace = limits::kill_grace;
        Containment containment = {};
        std::function<void(Event)> deliver;
    };
    /// Commands of one task that the runner has at most: one that runs, and those that are to
    /// follow.
    static constexpr std::uint32_t most_out = 3;

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
    /// Delivers the values that wait. False when no task could have any until run() is called
    /// again.
    bool look();

private:
    struct Sent {
        bool out = false;
        std::uint32_t fragment = 0;  // of the task
        std::size_t offset = 0;      // of its payload
    };
    struct Active {
        Task task;
        const Function* function = nullptr;
        std::uint32_t next = 0;  // fragment of the task, of which there is no command yet
        std::size_t offset = 0;  // of its payload
        std::array<Sent, most_out> sent = {};  // to the runner; each follows the one before
        std::size_t last = 0;                  // of them
        std::uint32_t out = 0;                 // of them
        bool stopped = false;
        std::vector<Event> waiting = {};  // values of short commands
    };

    void go_on(std::uint64_t number);
    bool may_send(const Active& active) const;
    bool send_next(Active& active);
    Result<Command> command_of(const Active& active, const Slice& payload) const;
    void on_end(CommandEnd end);
    void fail(Active& active, std::uint32_t fragment, std::string message);
    void report(Active& active, std::uint32_t fragment, CommandEnd end);
    void tell_waiting(Active& active);
    void tell(Event event) { outbox_.push_back(std::move(event)); }
    void deliver();

    Options options_;
    std::mutex delivery_;  // taken before the other
    bool closed_ = false;  // guarded by it
    std::mutex mutex_;     // guards the two below
    std::vector<Event> outbox_;
    std::map<std::uint64_t, Active> active_;  // by the task's number
    std::optional<JobId> short_job_;          // the last command to end was short, and of this job
    std::unique_ptr<CommandRunner> runner_;   // last: its thread ends before the rest goes
};

}  // namespace fanfold::worker
