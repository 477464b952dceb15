// Shows that the simulator bites: each planted bug (bugs.hpp) must be found within the number of
// seeds that stands beside it.
#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "tests/simulation/simulation.hpp"

namespace {
using namespace fanfold::simulation;
constexpr int found = 7;  // exit code

/// In a process of its own, since a bug may break an invariant, which ends the process: that counts
/// as found.
int look_for(const BugInfo& info) {
    for (std::uint64_t seed = 1; seed <= info.seeds; ++seed) {
        RunOptions options{.seed = seed, .bug = info.bug};
        if (info.plan == Plan::restores) options.scenario = make_restores(seed);
        if (info.plan == Plan::drains) options.scenario = make_drains(seed);
        RunReport report = run(options);
        if (report.complaints.empty()) continue;
        std::printf("%-26s found by seed %llu: %s\n", info.name,
                    static_cast<unsigned long long>(seed), report.complaints.front().c_str());
        std::fflush(stdout);
        return found;
    }
    std::printf("%-26s not found in %u seeds\n", info.name, info.seeds);
    std::fflush(stdout);
    return 1;
}

bool is_found(const BugInfo& info) {
    std::fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(look_for(info));
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) return false;
    bool broke_invariant = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (broke_invariant) std::printf("%-26s found by a broken invariant\n", info.name);
    return broke_invariant || (WIFEXITED(status) && WEXITSTATUS(status) == found);
}
}  // namespace

int main() {
    int missed = 0;
    for (const BugInfo& info : planted_bugs())
        if (!is_found(info)) ++missed;
    std::printf("%zu planted bugs, %d not found\n", planted_bugs().size(), missed);
    return missed == 0 ? 0 : 1;
}
