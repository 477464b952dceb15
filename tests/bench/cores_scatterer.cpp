// Google Benchmark for the scatterer's core and its packing: what a fragment costs in a block, a
// block on its way, and a run that comes back.
#include <benchmark/benchmark.h>

#include "scatterer/core/core.hpp"
#include "tests/bench/played.hpp"

namespace fanfold::bench {
namespace {

using namespace std::chrono_literals;

/// A client with one job that never ends; broker and gatherer take and give what they should.
class PlayedClient {
public:
    PlayedClient() {
        wire::GathererRef gatherer{.name = "gatherer",
                                   .epoch = {.number = 0, .incarnation = 9},
                                   .results = {"a"},
                                   .collect = {"b"}};
        step(scatterer::ControlOpened{{"client"}});
        step(scatterer::FromBroker{wire::Welcome{.epoch = {.number = 0, .incarnation = 1},
                                                 .blocks = {"c"},
                                                 .gatherers = {gatherer},
                                                 .heartbeat = 500ms,
                                                 .timeout = std::chrono::hours(1000),
                                                 .payload_bytes = limits::payload_bytes,
                                                 .block_bytes = limits::block_bytes,
                                                 .job_credit = std::uint64_t{1} << 60}});
        gatherer_ = scatterer::key_of(gatherer);
        wire::JobSpec spec{.function = "f", .attached = true, .lease = 10s, .ordered = true};
        step(scatterer::OpenJob{.job = job_,
                                .token = 1,
                                .spec = spec,
                                .collect = scatterer::CollectHow{.ordered = true}});
        send_block(1);
        step(scatterer::FromBroker{
            wire::Located{.job = job_, .assignment = 1, .gatherer = gatherer}});
        take_values(1);
    }
    void send_block(std::uint32_t count) {
        step(scatterer::AppendBlock{.job = job_,
                                    .block = {.first = appended_,
                                              .count = count,
                                              .cuts = packed_cuts(count),
                                              .body = packed_fragments(count)}});
        appended_ += count;
        step(scatterer::FromBroker{
            wire::Accepted{.job = job_, .next = appended_, .limit = std::uint64_t{1} << 60}});
    }
    void take_values(std::uint32_t count) {
        Index first = received_;
        received_ += count;
        step(scatterer::FromGatherer{
            gatherer_,
            wire::Values{.job = job_, .position = received_, .first = first, .count = count},
            packed_fragments(count)});
    }
    std::uint64_t pushed() const { return pushed_; }
    std::uint64_t delivered() const { return delivered_; }

private:
    void step(scatterer::Event event) {
        std::vector<scatterer::Action> actions;
        core_.step(now_, std::move(event), actions);
        for (scatterer::Action& action : actions) {
            if (std::holds_alternative<scatterer::PushBlock>(action)) ++pushed_;
            auto* part = std::get_if<scatterer::Deliver>(&action);
            if (!part) continue;
            delivered_ += part->count;
            step(scatterer::Consumed{job_, part->receipt, part->body.size()});
        }
    }

    scatterer::Core core_{
        {.broker = "broker", .name = "client", .epoch = {.number = 0, .incarnation = 3}}};
    Time now_{std::chrono::hours(1)};
    JobId job_ = job_number(1);
    scatterer::GathererKey gatherer_;
    Index appended_ = 0, received_ = 0;
    std::uint64_t pushed_ = 0, delivered_ = 0;
};

void packed_fragment(benchmark::State& state) {
    scatterer::BlockBuilder builder({});
    for (auto _ : state) {
        if (!builder.has_room(packed_bytes)) benchmark::DoNotOptimize(builder.take());
        if (!builder.add_packed("\xb0xxxxxxxxxxxxxxxx")) state.SkipWithError("no room");
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(packed_fragment);

void sent_block(benchmark::State& state) {
    PlayedClient client;
    std::uint64_t before = client.pushed();
    auto count = static_cast<std::uint32_t>(state.range(0));
    for (auto _ : state) client.send_block(count);
    if (client.pushed() - before != static_cast<std::uint64_t>(state.iterations()))
        state.SkipWithError("blocks were held back");
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(sent_block)->ArgName("fragments")->Arg(10)->Arg(full_block);

void received_run(benchmark::State& state) {
    PlayedClient client;
    std::uint64_t before = client.delivered();
    auto count = static_cast<std::uint32_t>(state.range(0));
    for (auto _ : state) client.take_values(count);
    if (client.delivered() - before != static_cast<std::uint64_t>(state.iterations()) * count)
        state.SkipWithError("not all was delivered");
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(received_run)->ArgName("fragments")->Arg(1)->Arg(64)->Arg(8192);

}  // namespace
}  // namespace fanfold::bench
