// Starts one command from a runner's request: its own process group, default signals, three
// descriptors and no other. Belongs to the guardian, which is a process of one thread, has all
// signals blocked while it spawns, and no handler but SIGCHLD's. The child shares its memory until
// it has become the command (as with vfork, on a stack of its own), so that a start costs no copy.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "worker/guardian/containment.hpp"
#include "worker/guardian/guardian_protocol.hpp"

namespace fanfold::worker::guardian {

struct Spawned {
    pid_t pid = 0;  // 0: not started, and the two below say why
    ReportKind kind = ReportKind::bad_program;
    int error = 0;  // errno
};

class Spawner {
public:
    /// Takes this process's environment as the base of every command's.
    explicit Spawner(const CommandLimits& limits);
    Spawner(const Spawner&) = delete;
    Spawner& operator=(const Spawner&) = delete;

    struct Place {
        std::string mark;    // one more environment entry
        std::string folder;  // of a command that names none; empty: where the guardian works
        Descriptor group;    // its cgroup's file of processes; closed: none
    };
    /// Closes the request's descriptors.
    Spawned spawn(Request& request, Place place);

private:
    struct Words {
        const char* folder = "";
        std::vector<char*> arguments;  // zero-terminated, as exec wants them
        std::vector<char*> environment;
    };
    static bool complete(const Request& request);
    Words cut(Request& request, std::string& mark) const;
    void start(const Request& request, Words& words, const Descriptor& group, Spawned& spawned);

    std::vector<std::pair<int, rlimit>> limits_;  // by resource
    Descriptor null_;
    std::vector<std::max_align_t> stack_;  // the child's, until it is the command
    std::vector<char*> base_;              // this process's own environment
    std::unordered_map<std::string_view, std::size_t> positions_;  // of each name in it
};

}  // namespace fanfold::worker::guardian
