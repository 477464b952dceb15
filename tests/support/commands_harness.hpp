// Runs commands in a test, and looks at the processes that they leave behind. Every wait has a
// bound.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
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
#include "worker/guardian/descriptor.hpp"
#include "worker/guardian/process_tree.hpp"

namespace fanfold::worker::testing {

using namespace std::chrono_literals;

inline constexpr auto command_patience = 20s;

/// A runner whose ends can be waited for.
class Runs {
public:
    explicit Runs(Duration grace = 300ms, const Containment& containment = {})
        : runner_(std::make_unique<CommandRunner>(CommandRunner::Options{
              .guardian = {},
              .kill_grace = grace,
              .containment = containment,
              .on_end = [this](CommandEnd end) { take(std::move(end)); }})) {}

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

/// A fifo that processes hold open. Tells whether one of them lives, also of those of which each is
/// followed by another.
class Lifeline {
public:
    Lifeline() {
        static int count = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("fanfold-lifeline-" + std::to_string(::getpid()) + "-" + std::to_string(++count));
        REQUIRE(::mkfifo(path_.c_str(), S_IRUSR | S_IWUSR) == 0);
        reader_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
        REQUIRE(reader_.open());
    }
    ~Lifeline() { ::unlink(path_.c_str()); }
    Lifeline(const Lifeline&) = delete;
    Lifeline& operator=(const Lifeline&) = delete;

    const std::string& path() const { return path_; }
    /// Whether one opened it, and all that held it are gone.
    bool let_go() const {
        pollfd watched{.fd = reader_.get(), .events = POLLIN, .revents = 0};
        return ::poll(&watched, 1, 0) == 1 && (watched.revents & POLLHUP) != 0;
    }

private:
    std::string path_;
    Descriptor reader_;
};

/// Starts a daemon that forks again every 0.2 s, each time into a session of its own, and holds the
/// lifeline. `begin` stands before the daemon's command line, `then` is what the command does next.
inline Command daemon_that_forks(const Lifeline& lifeline, const std::string& begin = "",
                                 const std::string& then = "") {
    const std::string fork = R"(setsid sh -c "$0" "$0" </dev/null 2>/dev/null &)";
    return command({"sh", "-c", "exec 1>\"$1\"; " + begin + " " + fork + " " + then,
                    "sleep 0.2; " + fork, lifeline.path()});
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
