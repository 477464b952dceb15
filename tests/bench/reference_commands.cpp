// What running commands is measured against: posix_spawn, with the pipes that Fanfold gives a
// command without input.
//
//     reference_commands COUNT [PROGRAM]
//
// Runs PROGRAM (/bin/true) COUNT times, two at a time, on one thread, with its number as an
// argument: standard input from /dev/null, standard output and standard error through a pipe each
// until both end, then its status. (The argument matters: with one, the usual /bin/true loads its
// locale first.)
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

#include "tests/bench/measure.hpp"

namespace fanfold::bench {
namespace {

constexpr std::size_t at_a_time = 2;

struct Pipe {
    int reader = -1;
    int writer = -1;
};

Pipe open_pipe() {
    std::array<int, 2> ends{};
    check(pipe2(ends.data(), O_CLOEXEC) == 0, "a pipe opens");
    return {.reader = ends[0], .writer = ends[1]};
}

/// One running command; the pipes' readers are -1 once their ends are seen.
struct Command {
    pid_t pid = 0;
    std::array<int, 2> readers{-1, -1};
};

Command start(const char* program, std::uint64_t number) {
    Pipe out = open_pipe();
    Pipe error = open_pipe();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out.writer, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, error.writer, STDERR_FILENO);
    Command command{.readers = {out.reader, error.reader}};
    std::string name = program;
    std::string argument = std::to_string(number);
    std::array<char*, 3> words{name.data(), argument.data(), nullptr};
    check(posix_spawn(&command.pid, program, &actions, nullptr, words.data(), environ) == 0,
          "the program starts");
    posix_spawn_file_actions_destroy(&actions);
    close(out.writer);
    close(error.writer);
    return command;
}

/// Reads what is there; true when both pipes have ended and the command is reaped.
bool step(Command& command, const pollfd* polled) {
    std::array<char, 4096> bytes{};
    for (std::size_t i = 0; i < command.readers.size(); ++i) {
        if (polled[i].revents == 0 || read(command.readers[i], bytes.data(), bytes.size()) > 0)
            continue;
        close(std::exchange(command.readers[i], -1));
    }
    if (command.readers != std::array{-1, -1}) return false;
    int status = 0;
    check(waitpid(command.pid, &status, 0) == command.pid && status == 0,
          "the command exits with 0");
    return true;
}

void run(std::uint64_t count, const char* program) {
    auto begin = Clock::now();
    std::uint64_t started = 0;
    std::vector<Command> running;
    std::vector<pollfd> polled;
    for (std::uint64_t ended = 0; ended < count;) {
        while (running.size() < at_a_time && started < count)
            running.push_back(start(program, ++started));
        polled.clear();
        for (const Command& command : running) {
            for (int reader : command.readers)
                polled.push_back({.fd = reader, .events = POLLIN, .revents = 0});
        }
        check(poll(polled.data(), polled.size(), -1) > 0, "poll returns");
        for (std::size_t i = running.size(); i-- > 0;) {
            if (step(running[i], &polled[2 * i]))
                running.erase(running.begin() + static_cast<std::ptrdiff_t>(i)), ++ended;
        }
    }
    print_figure("per_second", static_cast<double>(count) / seconds_since(begin));
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    try {
        if (count < 2 || count > 3)
            throw std::runtime_error("usage: reference_commands COUNT [PROGRAM]");
        fanfold::bench::run(std::stoull(arguments[1]), count == 3 ? arguments[2] : "/bin/true");
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "reference_commands: %s\n", error.what());
        return 1;
    }
}
