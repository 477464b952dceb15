// Google Benchmark for the codec: headers to bytes and back, and the walk over a body.
#include <benchmark/benchmark.h>

#include "shared/wire/codec.hpp"
#include "tests/bench/played.hpp"

namespace fanfold::bench {
namespace {

using namespace std::chrono_literals;

const std::vector<wire::Message>& samples() {
    static const std::vector<wire::Message> all{
        wire::Block{.job = job_number(1),
                    .token = 1,
                    .first = 61'680,
                    .count = full_block,
                    .stride = 16,
                    .cuts = packed_cuts(full_block)},
        wire::Dispatch{.sequence = 7, .job = job_number(1), .first = 61'680, .count = 8192},
        wire::Done{.runs = {{job_number(1), {61'680, 69'872}, 5000us, 139'264}}},
        wire::Results{.job = job_number(1),
                      .first = 61'680,
                      .count = 8192,
                      .meta = {.worker = "host-1234", .elapsed = 5000us}},
        wire::Gathered{.job = job_number(1), .ranges = {{61'680, 69'872}, {80'000, 88'192}}},
        wire::Heartbeat{.handled = 7, .held = {{job_number(1), {{0, 10}}}}},
    };
    return all;
}

void encode(benchmark::State& state) {
    const wire::Message& message = samples().at(static_cast<std::size_t>(state.range(0)));
    state.SetLabel(wire::name_of(message));
    for (auto _ : state) benchmark::DoNotOptimize(wire::encode(message));
}
BENCHMARK(encode)->DenseRange(0, 5);

void decode(benchmark::State& state) {
    const wire::Message& message = samples().at(static_cast<std::size_t>(state.range(0)));
    state.SetLabel(wire::name_of(message));
    std::string header = wire::encode(message);
    for (auto _ : state) {
        auto decoded = wire::decode(header);
        if (!decoded) state.SkipWithError("it can't be read");
        benchmark::DoNotOptimize(decoded);
    }
}
BENCHMARK(decode)->DenseRange(0, 5);

void walk(benchmark::State& state) {
    auto count = static_cast<std::uint32_t>(state.range(0));
    Slice body = packed_fragments(count);
    for (auto _ : state) {
        if (!wire::is_objects(body.view(), count)) state.SkipWithError("the body is another one");
    }
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(walk)->ArgName("objects")->Arg(10)->Arg(8192);

}  // namespace
}  // namespace fanfold::bench
