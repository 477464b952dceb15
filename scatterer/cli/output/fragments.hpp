// One fragment's result as the printers see it, and the walk through a run of them. Views: valid as
// long as the run is.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::scatterer::cli {

/// Ranges [begin, end) of fragments, from 0.
using FragmentList = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

struct Fragment {
    std::uint64_t index = 0;
    std::string_view value = {};  // one MessagePack object; empty with a failure
    const FragmentResult* failure = nullptr;
    std::string_view worker = {};
    std::uint32_t attempt = 1;
    std::chrono::microseconds started{0};  // since 1970 by the worker's clock
    std::chrono::microseconds elapsed{0};  // its own share of the run that it was part of
};

/// What both streams of a command held.
struct CommandOutput {
    std::string_view out = {};
    std::string_view err = {};
    std::optional<std::string_view> left = {};  // in a fresh folder in place of its submitter's
};

/// Reads the array [stdout, stderr], or [stdout, stderr, left]; empty views for anything else.
CommandOutput command_output(std::string_view object);
/// Of a command's value, or of its failure.
CommandOutput command_output(const Fragment& fragment);

/// Why there is no value: the message, or what the exit code or signal says.
std::string error_text(const FragmentResult& failure);
/// "failed: exit code 2", "timed out: …", on one line. A message may end in the end of the
/// command's stderr; what was `shown` of it already is left out.
std::string why_failed(const FragmentResult& failure, std::string_view shown = {});

/// Calls `use(Fragment)` for each fragment of the run. Throws FanfoldError when the values are
/// fewer than the run says.
template <class Use>
void each_fragment(const ResultRun& run, Use use) {
    if (run.failure) {
        const FragmentResult& failure = *run.failure;
        use(Fragment{.index = failure.index,
                     .value = {},
                     .failure = &failure,
                     .worker = failure.worker,
                     .attempt = failure.attempt,
                     .started = failure.started,
                     .elapsed = failure.elapsed});
        return;
    }
    std::string_view rest = run.values;
    for (std::uint32_t i = 0; i < run.count; ++i) {
        auto length = wire::object_length(rest);
        if (!length)
            throw FanfoldError("the values from " + std::to_string(run.first) + " on are cut off");
        use(Fragment{.index = run.first + i,
                     .value = rest.substr(0, *length),
                     .failure = nullptr,
                     .worker = run.worker,
                     .attempt = run.attempt,
                     .started = run.started + run.elapsed * i / run.count,
                     .elapsed = run.elapsed / run.count});
        rest.remove_prefix(*length);
    }
}

}  // namespace fanfold::scatterer::cli
