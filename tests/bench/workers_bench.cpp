// Fleets of workers of this program's own, at the broker that $FANFOLD_BROKER names: how well work
// is spread over them, and what they cost while they idle.
//
//     workers_bench slow-worker FRAGMENTS MILLISECONDS   eight workers of one slot, one of which
//     takes ten times as long for each fragment workers_bench pareto FRAGMENTS SECONDS eight
//     workers of one slot; times from a Pareto distribution, so long in sum workers_bench
//     two-paretos FRAGMENTS SECONDS        the same in two jobs at once, each with half of the
//     fragments and of the time workers_bench idle WORKERS SECONDS BROKER_PID      processor time
//     of the broker, and of the workers
//
// Each worker is a process, whose handler waits as long as the payload says. The bounds are
// computed from the same times.
#include <poll.h>

#include <cmath>
#include <fanfold/scatterer.hpp>
#include <fanfold/worker.hpp>
#include <filesystem>
#include <fstream>
#include <future>

#include "tests/bench/children.hpp"
#include "tests/bench/measure.hpp"
#include "tests/simulation/work_times.hpp"

namespace fanfold::bench {
namespace {

using namespace std::chrono_literals;
using simulation::greedy_makespan;
using simulation::pareto_times;

constexpr const char* function = "bench.wait";
constexpr std::uint32_t workers = 8;
constexpr double slowness = 10;
constexpr std::uint64_t seed = 1;
constexpr auto patience = 30s;  // for workers to come

void wait(double seconds) {
    double whole = std::floor(seconds);
    timespec time{.tv_sec = static_cast<time_t>(whole),
                  .tv_nsec = static_cast<long>((seconds - whole) * 1e9)};
    ppoll(nullptr, 0, &time, nullptr);
}

void work(double times_slower, const std::string& name) {
    Worker worker({.slots = 1, .name = name, .log_level = "warn"});
    worker.function(function, [times_slower](double seconds) {
        wait(seconds * times_slower);
        return seconds;
    });
    worker.run();
}

void start_workers(Children& children, std::uint32_t count, double first_slower) {
    for (std::uint32_t number = 0; number < count; ++number)
        children.start(
            [=] { work(number == 0 ? first_slower : 1, "waiting-" + std::to_string(number)); });
}

void await_workers(Scatterer& scatterer, std::uint32_t count) {
    for (auto begin = Clock::now(); Clock::now() - begin < patience; wait(0.02)) {
        auto there = scatterer.workers();
        if (std::ranges::count_if(there, [](const WorkerStatus& one) {
                return one.name.starts_with("waiting-");
            }) == count)
            return;
    }
    throw std::runtime_error("the workers don't come");
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// From the opening of the first job to the end of the last.
double makespan(Scatterer& scatterer, const std::vector<std::vector<Duration>>& jobs) {
    auto begin = Clock::now();
    std::vector<std::future<void>> users;
    users.reserve(jobs.size());
    for (const auto& times : jobs) {
        users.push_back(std::async(std::launch::async, [&scatterer, &times] {
            Job job = scatterer.open(function);
            for (Duration time : times) job.add(seconds(time));
            job.seal();
            std::uint64_t received = 0;
            while (auto result = job.next()) received += result->ok() ? 1 : 0;
            check(job.wait().outcome == JobOutcome::complete && received == times.size(),
                  "a job is complete");
        }));
    }
    for (auto& user : users) user.get();
    return seconds_since(begin);
}

void run_jobs(const std::vector<std::vector<Duration>>& jobs, double first_slower, double bound) {
    Children children;
    start_workers(children, workers, first_slower);
    Scatterer scatterer;
    await_workers(scatterer, workers);
    print_figure("seconds", makespan(scatterer, jobs));
    print_figure("bound", bound);
}

void slow_worker(std::uint64_t fragments, double each) {
    std::vector<Duration> times(
        fragments, std::chrono::duration_cast<Duration>(std::chrono::duration<double>(each)));
    run_jobs({times}, slowness,
             each * static_cast<double>(fragments) / (workers - 1 + 1 / slowness));
}

void pareto(std::uint64_t fragments, double total) {
    auto times =
        pareto_times(seed, fragments,
                     std::chrono::duration_cast<Duration>(std::chrono::duration<double>(total)));
    run_jobs({times}, 1, seconds(greedy_makespan(times, workers)));
}

void two_paretos(std::uint64_t fragments, double total) {
    auto half = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(total / 2));
    std::vector<std::vector<Duration>> jobs{pareto_times(seed, fragments / 2, half),
                                            pareto_times(seed + 1, fragments / 2, half)};
    std::vector<Duration> in_turn;
    for (std::size_t i = 0; i < jobs[0].size(); ++i)
        in_turn.insert(in_turn.end(), {jobs[0][i], jobs[1][i]});
    run_jobs(jobs, 1, seconds(greedy_makespan(in_turn, workers)));
}

// --- idling

/// Processor time of all threads of a process, in seconds.
double processor_time(pid_t pid) {
    double nanoseconds = 0;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
        double running = 0;
        std::ifstream file(task.path() / "schedstat");
        check(static_cast<bool>(file >> running), "the kernel tells how long a thread ran");
        nanoseconds += running;
    }
    return nanoseconds / 1e9;
}

void idle(std::uint32_t count, double length, pid_t broker) {
    Children children;
    start_workers(children, count, 1);
    {
        Scatterer scatterer;
        await_workers(scatterer, count);
    }
    wait(1);  // what comes with their arrival is over
    auto of_workers = [&] {
        double sum = 0;
        for (pid_t pid : children.pids()) sum += processor_time(pid);
        return sum;
    };
    auto begin = Clock::now();
    double broker_before = processor_time(broker), workers_before = of_workers();
    wait(length);
    double took = seconds_since(begin);
    print_figure("broker_percent", (processor_time(broker) - broker_before) / took * 100);
    print_figure("workers_percent", (of_workers() - workers_before) / took * 100);
}

void run(const std::string& kind, std::uint64_t count, double amount, pid_t broker) {
    if (kind == "slow-worker") return slow_worker(count, amount / 1000);
    if (kind == "pareto") return pareto(count, amount);
    if (kind == "two-paretos") return two_paretos(count, amount);
    if (kind == "idle" && broker > 0)
        return idle(static_cast<std::uint32_t>(count), amount, broker);
    throw std::runtime_error("unknown kind '" + kind +
                             "'; they are listed at the head of its source");
}

}  // namespace
}  // namespace fanfold::bench

int main(int count, char** arguments) {
    try {
        if (count < 4 || count > 5)
            throw std::runtime_error("usage: workers_bench KIND COUNT AMOUNT [BROKER_PID]");
        fanfold::bench::run(arguments[1], std::stoull(arguments[2]), std::stod(arguments[3]),
                            count == 5 ? std::stoi(arguments[4]) : 0);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "workers_bench: %s\n", error.what());
        return 1;
    }
}
