#include "worker/commands/command_runner.hpp"

#include <utility>

#include "shared/base/result.hpp"
#include "shared/base/thread.hpp"
#include "worker/commands/find_guardian.hpp"

namespace fanfold::worker {

namespace {

std::string program_of(std::string named) {
    if (named.empty()) named = find_guardian();
    if (named.empty()) {
        throw StartupError(
            "cannot find the program fanfold-guardian beside this one; name it with "
            "FANFOLD_GUARDIAN");
    }
    return named;
}

}  // namespace

CommandRunner::CommandRunner(Options options)
    : on_pause_(std::move(options.on_pause)),
      commands_(poller_, {.guardian = program_of(std::move(options.guardian)),
                          .kill_grace = options.kill_grace,
                          .containment = std::move(options.containment),
                          .on_end = std::move(options.on_end)}) {
    if (auto opened = poller_.open(LiveCommands::wake_event); !opened)
        throw StartupError(opened.error().text);
    if (auto started = commands_.start_guardian(); !started)
        throw StartupError(started.error().text);
    // It takes no signal, so that a command that does not read its standard input raises no
    // SIGPIPE. It must not look at thread_ before that is assigned.
    const std::lock_guard lock(mutex_);
    thread_ = require(start_thread([this] { run(); }));
}

CommandRunner::~CommandRunner() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    poller_.wake();
    thread_.join();
}

void CommandRunner::start(Command command) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = inbox_.empty();
        inbox_.starts.push_back(std::move(command));
    }
    wake(first);
}

void CommandRunner::abort(std::uint64_t id) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = inbox_.empty();
        inbox_.aborts.push_back(id);
    }
    wake(first);
}

void CommandRunner::wake(bool first) {
    if (std::this_thread::get_id() == thread_.get_id()) posted_here_ = true;
    else if (first) poller_.wake();
}

void CommandRunner::run() {
    while (take_inbox()) {
        commands_.flush();
        if (on_pause_) on_pause_();
        commands_.wait(posted_here_ ? LiveCommands::Wait::no_longer
                                    : LiveCommands::Wait::for_events);
    }
    commands_.abort_all();
    refuse_rest();
}

/// False when the runner is to end.
bool CommandRunner::take_inbox() {
    while (true) {
        posted_here_ = false;
        Inbox taken;
        {
            const std::lock_guard lock(mutex_);
            if (ending_) return false;
            std::swap(taken, inbox_);
        }
        if (taken.empty()) return true;
        for (Command& command : taken.starts) commands_.begin(std::move(command));
        for (const std::uint64_t id : taken.aborts) commands_.abort(id);
    }
}

/// What on_end has started meanwhile, too.
void CommandRunner::refuse_rest() {
    while (true) {
        Inbox taken;
        {
            const std::lock_guard lock(mutex_);
            std::swap(taken, inbox_);
        }
        if (taken.starts.empty()) return;
        for (const Command& command : taken.starts) commands_.refuse(command);
    }
}

}  // namespace fanfold::worker
