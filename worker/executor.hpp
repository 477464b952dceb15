// Runs tasks for the worker's core: handlers on a thread for each slot, commands through the
// guardian. What happens comes back as events (Values, Failed, Overran, Trimmed, Finished), in
// order for each task, always Finished last.
//
// Threads: run(), stop() and trim() are called by the shell's thread. `deliver` and `log` are
// called by the executors' own threads, and by trim(), with a mutex of theirs held: they put things
// into a mailbox and return, and never call back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "worker/commands/command_tasks.hpp"
#include "worker/core/events.hpp"
#include "worker/handlers/functions.hpp"
#include "worker/handlers/handler_slot.hpp"

namespace fanfold::worker {

class Executors {
public:
    struct Options {
        std::uint32_t slots = 1;  // those that replace stuck ones included
        FunctionTable functions;
        std::function<void(Event)> deliver;
        LogLine log;           // what handlers log; may be empty
        std::string guardian;  // path of the guardian program; empty: found
        std::uint64_t max_output = limits::output_bytes;  // of commands, bytes of each stream
        Containment containment = {};                     // of commands
        std::string check = {};                           // as CommandTasks's
        Duration close_patience = limits::kill_grace;  // for handlers that still run when this ends
        std::function<void()> on_scan = {};  // each limits::watch_interval, while anything runs
    };
    /// Throws StartupError when the functions need the guardian and it can't be started.
    explicit Executors(Options options);
    /// As close(). A handler that does not return is left behind on its thread.
    ~Executors();
    Executors(const Executors&) = delete;
    Executors& operator=(const Executors&) = delete;

    void run(Run action);
    /// How long a task will take, if it may be run by run_here(); else, or when it is not known,
    /// Duration::max().
    Duration expected(const Task& task) const;
    /// Runs a task on the calling thread, until its end. When a handler has kept it for long this
    /// may be gone at its return.
    void run_here(Run action);
    void stop(std::uint64_t task);
    /// Answered by Trimmed, before this returns.
    void trim(const Trim& action);
    /// Answered by Checked.
    void check();

    /// Delivers nothing any more, kills commands, cancels handlers, and waits until then for the
    /// threads to end; false when a handler has not returned. May be called again.
    bool close(Time until);
    /// The same with the patience of the options.
    bool close();

private:
    void add_slot();
    void run_as_guest(Run action);
    void watch();
    void wake_watch();
    void end_watch();

    Options options_;
    std::shared_ptr<const FunctionTable> functions_;
    std::shared_ptr<Paces> paces_ = std::make_shared<Paces>();
    // Those of the options, and one for each guest of a handler that waits. They become more with
    // the watch's mutex held, for it reads them too.
    std::vector<std::shared_ptr<HandlerSlot>> slots_;
    std::unique_ptr<CommandTasks> commands_;
    bool closed_ = false;

    std::mutex mutex_;  // of the watch
    std::condition_variable changed_;
    bool watching_ = false;  // the watch scans the slots at regular intervals; else it sleeps
    bool ending_ = false;
    std::thread watch_;
};

}  // namespace fanfold::worker
