// Runs commands in a test, and looks at the processes that they leave behind. Every wait has a
// bound.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "worker/commands/command_runner.hpp"
#include "worker/guardian/process_tree.hpp"

namespace fanfold::worker::testing {

using namespace std::chrono_literals;

inline constexpr auto command_patience = 20s;

/// A runner whose ends can be waited for.
class Runs {
public:
    explicit Runs(Duration grace = 300ms)
        : runner_(std::make_unique<CommandRunner>(CommandRunner::Options{
              .guardian = {}, .kill_grace = grace, .on_end = [this](CommandEnd end) {
                  take(std::move(end));
              }})) {}

    CommandRunner& runner() { return *runner_; }
    void destroy() { runner_.reset(); }

    CommandEnd wait(std::uint64_t id) {
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, command_patience, [&] { return ends_.contains(id); }));
        return ends_.at(id);
    }

    CommandEnd run(Command command) {
        command.id = ++last_;
        runner_->start(command);
        return wait(last_);
    }

    int calls(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        return calls_[id];
    }

private:
    void take(CommandEnd end) {
        const std::lock_guard lock(mutex_);
        ++calls_[end.id];
        ends_[end.id] = std::move(end);
        changed_.notify_all();
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<std::uint64_t, CommandEnd> ends_;
    std::map<std::uint64_t, int> calls_;
    std::uint64_t last_ = 1000;
    std::unique_ptr<CommandRunner> runner_;
};

inline Command command(std::vector<std::string> argv) {
    Command made;
    made.argv = std::move(argv);
    return made;
}

inline Command shell(const std::string& script) { return command({"sh", "-c", script}); }

inline bool within_patience(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + command_patience;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        ::poll(nullptr, 0, 2);
    }
    return true;
}

/// A number of seconds that no other process of the host sleeps for.
inline std::string unique_sleep() {
    static int count = 0;
    return "1" + std::to_string(::getpid()) + "." + std::to_string(++count);
}

/// How many living processes have this as one of their arguments.
inline int count_with_argument(const std::string& argument) {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::ifstream file(entry.path() / "cmdline", std::ios::binary);
        std::ostringstream read;  // which stands that the process ends meanwhile
        read << file.rdbuf();
        const std::string line = read.str();
        const std::string sought = argument + '\0';
        if (const auto at = line.find(sought);
            at != std::string::npos && at > 0 && line[at - 1] == '\0')
            ++count;
    }
    return count;
}

inline pid_t guardian_pid() {
    const pid_t self = ::getpid();
    for (const Process& process :
         find_with_descendants([&](const Process& each) { return each.parent == self; })) {
        std::ifstream file("/proc/" + std::to_string(process.pid) + "/comm");
        std::string name;
        if (std::getline(file, name) && name.starts_with("fanfold-guard")) return process.pid;
    }
    return 0;
}

inline std::string pattern(std::size_t bytes) {
    std::string made(bytes, '\0');
    for (std::size_t at = 0; at < bytes; ++at)
        made[at] = static_cast<char>((at * 2654435761u) >> 13);
    return made;
}

}  // namespace fanfold::worker::testing
