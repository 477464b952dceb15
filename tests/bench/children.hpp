// Processes that a benchmark starts. Made before the program has threads; one thread.
//
// Invariant: none of them outlives the object, nor the process that made it.
#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <utility>
#include <vector>

#include "tests/bench/measure.hpp"

namespace fanfold::bench {

/// Children that end with this object, or with this process.
class Children {
public:
    Children() = default;
    Children(const Children&) = delete;
    Children& operator=(const Children&) = delete;
    ~Children() {
        for (pid_t pid : pids_) kill(pid, SIGKILL);
        for (pid_t pid : pids_) waitpid(pid, nullptr, 0);
    }
    void start(const std::function<void()>& body) {
        pid_t pid = fork();
        check(pid >= 0, "fork succeeds");
        if (pid > 0) return pids_.push_back(pid);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setsid();  // as a daemon has: the kernel shares processors between sessions first
        try {
            body();
            _exit(0);
        } catch (const std::exception& error) {
            std::fprintf(stderr, "a child: %s\n", error.what());
            _exit(1);
        }
    }
    /// Waits until all have ended by themselves.
    void join() {
        for (pid_t pid : std::exchange(pids_, {})) {
            int status = 0;
            check(waitpid(pid, &status, 0) == pid && status == 0, "a child ends well");
        }
    }

    const std::vector<pid_t>& pids() const { return pids_; }

private:
    std::vector<pid_t> pids_;
};

}  // namespace fanfold::bench
