// Google Benchmark for the worker's core: what a chunk costs, from its dispatch to the release of
// its results.
#include <benchmark/benchmark.h>

#include "tests/bench/played.hpp"
#include "worker/core/core.hpp"

namespace fanfold::bench {
namespace {

using namespace std::chrono_literals;

class PlayedWorker {
public:
    PlayedWorker() {
        step(Tick{});
        step(worker::FromBroker{
            wire::Welcome{
                .epoch = {.number = 0, .incarnation = 1}, .heartbeat = 500ms, .timeout = 5s},
            {}});
    }

    /// A chunk comes, runs, and is let go of.
    void run_chunk(std::uint32_t count) {
        wire::Dispatch dispatch{
            .sequence = ++sequence_, .job = job_, .first = next_, .count = count};
        if (sequence_ == 1)
            dispatch.brief = wire::JobBrief{
                .spec = {.function = "f"}, .assignment = 1, .gatherer = {.name = "gatherer"}};
        step(worker::FromBroker{std::move(dispatch), packed_fragments(count)});
        step(worker::Values{.task = task_,
                            .first = next_,
                            .count = count,
                            .body = packed_fragments(count),
                            .elapsed = 5000us});
        step(worker::Finished{task_});
        now_ += 5ms;
        step(Tick{});
        step(worker::FromBroker{wire::Release{{{job_, {{next_, next_ + count}}}}}, {}});
        next_ += count;
    }
    bool holds_nothing() const { return core_.held() == 0 && core_.kept_bytes() == 0; }

private:
    void step(worker::Event event) {
        actions_.clear();
        core_.step(now_, std::move(event), actions_);
        for (const worker::Action& action : actions_)
            if (auto* run = std::get_if<worker::Run>(&action)) task_ = run->task.number;
    }

    worker::Core core_{{.name = "worker",
                        .epoch = {.number = 0, .incarnation = 2},
                        .slots = 1,
                        .functions = {"f"}}};
    Time now_{std::chrono::hours(1)};
    JobId job_ = job_number(1);
    std::uint64_t sequence_ = 0;
    std::uint64_t task_ = 0;
    Index next_ = 0;
    std::vector<worker::Action> actions_;
};

void chunk(benchmark::State& state) {
    PlayedWorker worker;
    auto count = static_cast<std::uint32_t>(state.range(0));
    for (auto _ : state) worker.run_chunk(count);
    if (!worker.holds_nothing()) state.SkipWithError("the worker kept something");
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(chunk)->ArgName("fragments")->Arg(1)->Arg(64)->Arg(8192);

}  // namespace
}  // namespace fanfold::bench
