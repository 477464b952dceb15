#include "scatterer/cli/verbs/collector.hpp"

#include <algorithm>

#include "scatterer/cli/base/limits.hpp"

namespace fanfold::scatterer::cli {

void Collector::collect(Job& job, const std::function<bool()>& between) {
    for (;;) {
        auto run = job.next_run(std::chrono::milliseconds(0));
        if (!run) {
            flush();
            if (job.ended()) return;
            run = job.next_run(limits::collect_wait);
        }
        if (run) take(*run);
        if (between()) return flush();
    }
}

bool Collector::wants(const Fragment& fragment) const {
    if (options_.failures_only && !fragment.failure) return false;
    return !options_.only || std::ranges::any_of(*options_.only, [&](const auto& range) {
        return range.first <= fragment.index && fragment.index < range.second;
    });
}

void Collector::take(const ResultRun& run) {
    if (options_.only || options_.failures_only)
        return each_fragment(run, [this](const Fragment& fragment) {
            if (!wants(fragment)) return;
            ++(fragment.failure ? counts_.failures : counts_.values);
            printer_.print(fragment);
        });
    const std::uint64_t count = run.failure ? 1 : run.count;
    (run.failure ? counts_.failures : counts_.values) += count;
    const bool ran = !run.failure || run.failure->outcome != FragmentOutcome::cancelled;
    if (ran) counts_.run_times.add(count, run.failure ? run.failure->elapsed : run.elapsed);
    if (!options_.book) return printer_.print(run);
    each_fragment(run, [this](const Fragment& fragment) { take(fragment); });
    if (options_.joblog && options_.joblog->wants_flush()) flush();
}

void Collector::take(Fragment fragment) {
    const RememberedInput input = options_.book->take(fragment.index).value_or(RememberedInput{});
    if (options_.numbers) fragment.index = options_.numbers->input_of(fragment.index);
    printer_.print(fragment,
                   {.tag = options_.tag ? &input.tag : nullptr, .command = input.command});
    if (options_.joblog) options_.joblog->add(fragment, input.command);
    if (!options_.folder) return;
    if (options_.commands) {
        CommandOutput both = command_output(fragment);
        options_.folder->add(input.values, fragment.index + 1, {.out = both.out, .err = both.err});
    } else if (fragment.failure) {
        options_.folder->add(input.values, fragment.index + 1,
                             {.out = {}, .err = fragment.failure->message});
    } else {
        options_.folder->add(input.values, fragment.index + 1,
                             {.out = text_of_value(fragment.value, scratch_), .err = {}});
    }
}

void Collector::flush() {
    output_.flush();
    if (options_.joblog && !output_.closed())
        options_.joblog->flush();  // a line says that the output was written
}

}  // namespace fanfold::scatterer::cli
