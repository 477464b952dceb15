// Whole lives of the system, each from a seed. README.md says what is done to it and what is
// checked. usage: simulation-simulation [--restores | --drains] [--seeds FIRST-LAST]
// [--seed N [--trace]]
#include <unistd.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simulation/simulation.hpp"

namespace {
using namespace fanfold::simulation;
constexpr std::uint64_t first_seed = 1, last_seed = 5000;
constexpr std::uint64_t replayed_every =
    50;  // such a seed runs twice, and both runs must be the same

char abort_text[64];

struct Wanted {
    bool prints = false;
    bool restores = false;
    bool drains = false;
};

/// A broken invariant in a core ends the program: the seed is told before.
extern "C" void tell_seed(int) {
    (void)!write(STDERR_FILENO, abort_text, std::strlen(abort_text));
    std::signal(SIGABRT, SIG_DFL);
}

bool check_seed(std::uint64_t seed, const Wanted& wanted, RunReport& report) {
    std::snprintf(abort_text, sizeof abort_text, "seed %llu broke an invariant\n",
                  static_cast<unsigned long long>(seed));
    RunOptions options{.seed = seed, .prints = wanted.prints};
    if (wanted.restores) options.scenario = make_restores(seed);
    if (wanted.drains) options.scenario = make_drains(seed);
    report = run(options);
    options.prints = false;
    for (const auto& complaint : report.complaints)
        std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), complaint.c_str());
    if (seed % replayed_every != 0 || run(options).hash == report.hash)
        return report.complaints.empty();
    std::printf("seed %llu: a second run of it was another one\n",
                static_cast<unsigned long long>(seed));
    return false;
}
}  // namespace

int main(int count, char** arguments) {
    std::uint64_t first = first_seed, last = last_seed;
    Wanted wanted;
    for (int i = 1; i < count; ++i) {
        std::string word = arguments[i];
        if (word == "--trace") wanted.prints = true;
        else if (word == "--restores") wanted.restores = true;
        else if (word == "--drains") wanted.drains = true;
        else if (word == "--seed" && i + 1 < count)
            first = last = std::strtoull(arguments[++i], nullptr, 10);
        else if (word == "--seeds" && i + 1 < count &&
                 std::sscanf(arguments[++i], "%lu-%lu", &first, &last) == 2)
            continue;
        else
            return std::fprintf(stderr,
                                "usage: %s [--restores | --drains] [--seeds FIRST-LAST] [--seed N "
                                "[--trace]]\n",
                                arguments[0]),
                   2;
    }
    std::signal(SIGABRT, tell_seed);
    std::uint64_t failed = 0, executions = 0, delivered = 0, faults = 0, commits = 0, fetches = 0;
    double seconds = 0;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        RunReport report;
        if (!check_seed(seed, wanted, report)) ++failed;
        executions += report.executions;
        delivered += report.delivered;
        faults += report.faults;
        commits += report.commits;
        fetches += report.fetches;
        seconds += static_cast<double>(report.took.count()) / 1e9;
    }
    std::printf(
        "%lu seeds, %lu failed: %lu faults, %lu commits, %lu rows read back, %lu executions, %lu "
        "fragments delivered, %.0f virtual hours\n",
        last - first + 1, failed, faults, commits, fetches, executions, delivered, seconds / 3600);
    return failed == 0 ? 0 : 1;
}
