// How long a job takes with work that can't be divided evenly: one slow worker of eight, and run
// times from a Pareto distribution; the real cores under virtual time, beside what a scheduler
// without any overhead would take.
#include <cstdio>

#include "tests/simulation/schedule.hpp"
#include "tests/simulation/work_times.hpp"

namespace {
using namespace fanfold;
using namespace fanfold::simulation;
using namespace std::chrono_literals;

constexpr std::uint32_t workers = 8;
constexpr double most_for_slow_worker = 1.15, most_for_pareto = 1.05;

/// Prints a name, the kind of work and the seed alike for each.
Comparison comparison(const std::string& name, const std::string& what, std::uint64_t seed) {
    return {.name = name, .what = what + ", seed " + std::to_string(seed)};
}

bool slow_worker(std::uint64_t seed, const std::string& name, std::uint64_t fragments,
                 Duration each) {
    constexpr int slowness = 10;
    auto time = [&](std::uint32_t, RunOf run) { return run.worker == 0 ? each * slowness : each; };
    RunReport report =
        run_schedule({.seed = seed, .fragments = fragments, .longest = 60s, .time = time});
    double speeds = workers - 1 + 1.0 / slowness;
    Comparison made = comparison(
        name, "one of 8 workers ten times slower, " + std::to_string(each / 1us) + " us", seed);
    made.measured = seconds(report.job_times.at(0));
    made.reference = seconds(each) * static_cast<double>(fragments) / speeds;
    made.most = most_for_slow_worker;
    return compare(made);
}

bool pareto(std::uint64_t seed, const std::string& name, std::size_t fragments, Duration total) {
    auto times = pareto_times(seed, fragments, total);
    auto time = [&](std::uint32_t, RunOf run) { return times.at(run.index); };
    RunReport report =
        run_schedule({.seed = seed, .fragments = times.size(), .longest = 60s, .time = time});
    Comparison made = comparison(
        name,
        "Pareto (1.2), mean " + std::to_string(total / static_cast<int>(fragments) / 1us) + " us",
        seed);
    made.measured = seconds(report.job_times.at(0));
    made.reference = seconds(greedy_makespan(times, workers));
    made.most = most_for_pareto;
    return compare(made);
}

/// Two such jobs at once: until both have ended, beside their fragments in turn.
bool two_paretos(std::uint64_t seed) {
    std::vector<Duration> times[] = {pareto_times(seed, 1000, 80s),
                                     pareto_times(seed + 1000, 1000, 80s)};
    std::vector<Duration> both;
    for (std::size_t i = 0; i < times[0].size(); ++i)
        both.insert(both.end(), {times[0][i], times[1][i]});
    RunReport report = run_schedule(
        {.seed = seed,
         .jobs = 2,
         .fragments = times[0].size(),
         .longest = 60s,
         .time = [&](std::uint32_t job, RunOf run) { return times[job].at(run.index); }});
    double last = std::max(seconds(report.job_times.at(0)), seconds(report.job_times.at(1)));
    Comparison made = comparison("two-paretos", "two jobs of Pareto (1.2) at once", seed);
    made.measured = last;
    made.reference = seconds(greedy_makespan(both, workers));
    made.most = most_for_pareto;
    return compare(made);
}
}  // namespace

int main(int count, char** arguments) {
    read_arguments(count, arguments);
    bool good = true;
    for (std::uint64_t seed : {1U, 2U, 3U}) {
        good = slow_worker(seed, "slow-worker", 4000, 20ms) && good;
        good = slow_worker(seed, "slow-worker-short", 40'000, 1ms) && good;
        good = pareto(seed, "pareto", 2000, 160s) && good;
        good = pareto(seed, "pareto-short", 20'000, 40s) && good;
        good = two_paretos(seed) && good;
    }
    return good ? 0 : 1;
}
