// Google Benchmark for the gatherer's core: what a run of values costs, from its arrival to its
// collector's acknowledgement.
#include <benchmark/benchmark.h>

#include "tests/bench/played_gatherer.hpp"

namespace fanfold::bench {
namespace {

void gathered_run(benchmark::State& state) {
    auto fragments = static_cast<std::uint32_t>(state.range(0));
    PlayedGatherer gatherer(
        {.run_fragments = fragments, .shuffled = static_cast<std::uint32_t>(state.range(1))});
    gatherer.open(0);
    for (auto _ : state) {
        Duration before = gatherer.spent().time;
        gatherer.take_run();
        state.SetIterationTime(
            std::chrono::duration<double>(gatherer.spent().time - before).count());
    }
    state.SetItemsProcessed(state.iterations() * fragments);
}
BENCHMARK(gathered_run)
    ->ArgNames({"fragments", "shuffled"})
    ->ArgsProduct({{1, 64, 4096}, {1, 64, 4096}})
    ->UseManualTime();

}  // namespace
}  // namespace fanfold::bench
