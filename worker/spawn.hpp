// Starts one command from a runner's request: its own process group, default signals, three descriptors and no other.
// Belongs to the guardian, which is a process of one thread: the environment is swapped while a program is looked up.
#pragma once

#include <spawn.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "worker/guardian.hpp"

namespace fanfold::worker::guardian {

struct Spawned {
    pid_t pid = 0;  // 0: not started, and the two below say why
    ReportKind kind = ReportKind::bad_program;
    int error = 0;  // errno
};

class Spawner {
public:
    /// Takes this process's environment as the base of every command's.
    Spawner();
    ~Spawner();
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;

    /// `mark` is one more environment entry. Closes the request's descriptors.
    Spawned spawn(Request& request, std::string mark);

private:
    struct Words {
        const char* folder = "";
        std::vector<char*> arguments;  // zero-terminated, as exec wants them
        std::vector<char*> environment;
    };
    static bool complete(const Request& request);
    Words cut(Request& request, std::string& mark) const;
    int start(const Request& request, Words& words, pid_t& pid) const;
    int start_by_shell(const Request& request, Words& words, pid_t& pid) const;

    posix_spawnattr_t attributes_{};
    Descriptor null_;
    std::vector<char*> base_;                                      // this process's own environment
    std::unordered_map<std::string_view, std::size_t> positions_;  // of each name in it
};

}  // namespace fanfold::worker::guardian
