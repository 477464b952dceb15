// Values of options, from text. Each throws UsageError naming the option, the value, and the
// accepted forms. Pure, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "fanfold/scatterer.hpp"
#include "scatterer/cli/options/command_line.hpp"

namespace fanfold::scatterer::cli {

/// --timeout, --deadline, --connect-timeout: rounded up to whole milliseconds, so that a short one
/// does not become none.
std::chrono::milliseconds duration_value(const char* option, const std::string& text);
std::uint64_t size_value(const char* option, const std::string& text);
/// A whole number from `least` to `most`.
struct Bounds {
    std::uint64_t least = 0;
    std::uint64_t most = UINT32_MAX;
};
std::uint64_t number_value(const char* option, const std::string& text, Bounds bounds);

/// A list such as 3,5-9, from 1: ranges [begin, end) of indices, from 0
std::vector<std::pair<std::uint64_t, std::uint64_t>> fragments_value(const char* option,
                                                                     const std::string& text);
/// --priority N, which may be below 0
int priority_value(const std::string& text);
/// --weight W
double weight_value(const std::string& text);
/// -j N|+N|-N|N%
SlotCount slots_value(const std::string& text);
/// --gather all|available|quorum=K|first
void gather_value(JobOptions& job, const std::string& text);
/// --max-failures N|P%
void max_failures_value(JobOptions& job, const std::string& text);
/// --halt, in GNU parallel's words: never, now,fail=N, now,fail=P%, now,success=N
void halt_value(JobOptions& job, const std::string& text);
/// --hedge auto|off|DURATION
void hedge_value(JobOptions& job, const std::string& text);
/// --rerun-after DURATION|never
void rerun_value(JobOptions& job, const std::string& text);
/// --require LABEL, once more
void require_value(JobOptions& job, const std::string& text);
/// --resource NAME=AMOUNT, once more; K, M, G, T are powers of 1024
void resource_value(JobOptions& job, const std::string& text);
/// NAME=VALUE with a name that is not empty.
std::pair<std::string, std::string> assignment_value(const char* option, const std::string& text);

}  // namespace fanfold::scatterer::cli
