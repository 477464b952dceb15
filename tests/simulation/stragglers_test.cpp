// Hundreds of jobs one after another, in which each fragment takes fifty times as long, in its
// first attempt only, with a chance of 1 in 2,000. With hedging, 99 of 100 jobs must take hardly
// longer than in the same run without such stragglers, for few executions more.
#include <algorithm>
#include <cstdio>

#include "tests/simulation/schedule.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::simulation;
using namespace std::chrono_literals;

constexpr std::uint64_t one_in = 2000;
constexpr int slowness = 50;
constexpr auto work = 10ms;  // mean of a fragment
constexpr double most_time = 1.3, most_executions = 1.05;

struct Fleet {
    std::uint32_t workers, slots, jobs;
    std::uint64_t fragments;  // of each job
};

/// From 7 to 13 ms, by chance; the same in each run and attempt.
Duration ordinary(std::uint32_t job, Index index) {
    Random random(0x517u + job * 1'000'003u + index);
    return std::chrono::duration_cast<Duration>(work * (0.7 + 0.6 * random.fraction()));
}
bool straggles(std::uint32_t job, Index index) {
    return Random(0xb1acu + job * 1'000'003u + index).below(one_in) == 0;
}

RunReport run_jobs(const Fleet& fleet, bool stragglers, wire::Hedging hedging) {
    return run_schedule({.workers = fleet.workers,
                         .slots = fleet.slots,
                         .jobs = fleet.jobs,
                         .fragments = fleet.fragments,
                         .in_sequence = true,
                         .hedging = hedging,
                         .longest = 1200s,
                         .time = [stragglers](std::uint32_t job, RunOf run) {
                             Duration time = ordinary(job, run.index);
                             return stragglers && run.attempt == 1 && straggles(job, run.index)
                                        ? time * slowness
                                        : time;
                         }});
}

double percentile(std::vector<Duration> times, std::size_t percent) {
    std::ranges::sort(times);
    return seconds(times.at(times.size() * percent / 100));
}

bool hedged(const Fleet& fleet) {
    RunReport calm = run_jobs(fleet, false, wire::Hedging::automatic);
    RunReport unhedged = run_jobs(fleet, true, wire::Hedging::never);
    RunReport report = run_jobs(fleet, true, wire::Hedging::automatic);
    std::string about = std::to_string(fleet.fragments) + " fragments, " +
                        std::to_string(fleet.workers * fleet.slots) + " slots: ";
    double usual = percentile(calm.job_times, 99);
    std::string name = "stragglers-" + std::to_string(fleet.fragments);
    auto compare_time = [&](const char* kind, const RunReport& run) {
        double measured = percentile(run.job_times, 99);
        return compare({.name = name + kind,
                        .what = about + "p99" + kind,
                        .measured = measured,
                        .reference = usual,
                        .most = most_time});
    };
    compare_time("-unhedged", unhedged);
    bool quick = compare_time("-hedged", report);
    bool cheap = compare({.name = name + "-executions",
                          .what = about + "executions",
                          .measured = static_cast<double>(report.executions),
                          .reference = static_cast<double>(fleet.fragments * fleet.jobs),
                          .most = most_executions});
    return quick && cheap;
}
}  // namespace

int main(int count, char** arguments) {
    read_arguments(count, arguments);
    bool good = hedged({.workers = 8, .slots = 1, .jobs = 500, .fragments = 200});
    return hedged({.workers = 8, .slots = 4, .jobs = 150, .fragments = 2000}) && good ? 0 : 1;
}
