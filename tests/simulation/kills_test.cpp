// Hundreds of workers killed at random, beside fragments that kill theirs each time: those end as
// crashed after three lone runs, and no innocent one does (checker.cpp judges so). usage:
// simulation-kills [SEED [--trace]]
#include <cstdio>
#include <cstdlib>

#include "tests/simulation/simulation.hpp"

int main(int count, char** arguments) {
    using namespace fanfold::simulation;
    std::uint64_t first = 1, last = 2;
    if (count > 1) first = last = std::strtoull(arguments[1], nullptr, 10);
    bool sound = true;
    for (std::uint64_t seed = first; seed <= last; ++seed) {
        RunReport report =
            run({.seed = seed, .many_kills = true, .prints = count > 2, .check_every = 1024});
        for (const auto& complaint : report.complaints)
            std::printf("seed %lu: %s\n", seed, complaint.c_str());
        std::printf(
            "seed %lu: %lu workers killed by chance, %lu executions, %lu fragments delivered, %.0f "
            "virtual seconds\n",
            seed, report.kills, report.executions, report.delivered,
            static_cast<double>(report.took.count()) / 1e9);
        sound = sound && report.complaints.empty() && report.kills >= 500;
    }
    return sound ? 0 : 1;
}
