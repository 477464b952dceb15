// Google Benchmark for the broker's core: what one decision costs, by the size of the fleet and the
// number of open jobs. The time is that of the core's steps alone; what plays its peers is not
// measured.
#include <benchmark/benchmark.h>

#include <memory>
#include <stdexcept>
#include <tuple>

#include "tests/bench/played_broker.hpp"

namespace fanfold::bench {
namespace {

using About = PlayedBroker::About;
constexpr std::uint32_t job_block = 1000;   // fragments, where there are many jobs
constexpr std::uint32_t small_block = 100;  // where it is blocks that are measured

/// Fragments of a job that wait at least: so many that chunks don't shrink as toward a job's end.
std::uint64_t fed_below(std::uint32_t workers, std::uint32_t jobs) {
    return jobs == 1 ? 500 + 50 * std::uint64_t{workers} : 500;
}

/// A busy fleet with open jobs that never end. Filling one takes longer than measuring it: the last
/// is kept.
PlayedBroker& busy_fleet(std::uint32_t workers, std::uint32_t jobs, std::uint32_t block) {
    static std::unique_ptr<PlayedBroker> last;
    static std::tuple<std::uint32_t, std::uint32_t, std::uint32_t> made;
    if (last && made == std::tuple(workers, jobs, block)) return *last;
    last.reset();
    last = std::make_unique<PlayedBroker>(
        FleetPlan{.workers = workers, .each = std::chrono::milliseconds(1)});
    made = {workers, jobs, block};
    for (std::uint32_t number = 1; number <= jobs; ++number) {
        last->open(number, 0, block);
        while (last->waiting(number) < fed_below(workers, jobs) && last->feed(number)) {
        }
    }
    // The estimates of time settle, and each worker has what it takes.
    for (std::uint32_t i = 0; i < 20 * workers + 2 * jobs; ++i) {
        if (!last->finish_next()) throw std::runtime_error("the fleet has come to rest");
        while (last->waiting(last->finished_job()) < fed_below(workers, jobs) &&
               last->feed(last->finished_job())) {
        }
    }
    return *last;
}

std::uint32_t argument(const benchmark::State& state, std::size_t which) {
    return static_cast<std::uint32_t>(state.range(which));
}

PlayedBroker& fleet_of(const benchmark::State& state) {
    std::uint32_t jobs = argument(state, 1);
    return busy_fleet(argument(state, 0), jobs, jobs == 1 ? full_block : job_block);
}

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

/// A chunk ends: the worker's Done, and whatever is dispatched then.
void decision(benchmark::State& state) {
    PlayedBroker& fleet = fleet_of(state);
    for (auto _ : state) {
        Duration before = fleet.spent(About::decision).time;
        if (!fleet.finish_next()) state.SkipWithError("nothing runs");
        state.SetIterationTime(seconds(fleet.spent(About::decision).time - before));
        while (fleet.waiting(fleet.finished_job()) <
                   fed_below(argument(state, 0), argument(state, 1)) &&
               fleet.feed(fleet.finished_job())) {
        }
    }
}

/// A block of 100 fragments of a job, while all workers are busy. As much is run as is added.
void accepted_block(benchmark::State& state) {
    constexpr int chunks = 20;
    PlayedBroker& fleet = busy_fleet(argument(state, 0), argument(state, 1), small_block);
    for (auto _ : state) {
        for (int i = 0; i < chunks; ++i)
            if (!fleet.finish_next()) state.SkipWithError("nothing runs");
        Duration before = fleet.spent(About::block).time;
        if (!fleet.feed(fleet.finished_job())) state.SkipWithError("a job has no credit");
        state.SetIterationTime(seconds(fleet.spent(About::block).time - before));
    }
}

/// A worker's heartbeat with its inventory.
void inventory(benchmark::State& state) {
    PlayedBroker& fleet = fleet_of(state);
    std::uint32_t number = 0;
    for (auto _ : state) {
        Duration before = fleet.spent(About::inventory).time;
        fleet.tell_inventory(number);
        state.SetIterationTime(seconds(fleet.spent(About::inventory).time - before));
        number = (number + 1) % argument(state, 0);
    }
}

void fleets(benchmark::internal::Benchmark* bench) {
    bench->ArgNames({"workers", "jobs"})->UseManualTime()->Unit(benchmark::kNanosecond);
    for (int workers : {10, 100, 1'000, 10'000}) bench->Args({workers, 1});
    for (int jobs : {100, 10'000}) bench->Args({100, jobs});
}

BENCHMARK(decision)->Apply(fleets);
BENCHMARK(accepted_block)->Apply(fleets)->Iterations(1000);
BENCHMARK(inventory)->Apply(fleets);

}  // namespace
}  // namespace fanfold::bench
