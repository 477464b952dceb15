// Every limit, size and interval of the command line program. Those of the system stand in
// shared/base/limits.hpp. Sizes are bytes unless the name says otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.hpp"

namespace fanfold::scatterer::cli::limits {

using namespace std::chrono_literals;

// --- options
inline constexpr std::chrono::milliseconds connect_timeout = 5s;       // --connect-timeout
inline constexpr std::chrono::milliseconds give_up = 10min;            // --give-up
inline constexpr std::size_t pipe_block_bytes = std::size_t{1} << 20;  // --block
inline constexpr std::uint64_t most_retries = 1'000'000;
inline constexpr std::uint64_t most_slots = 100'000;
inline constexpr std::uint32_t most_commands = 1000;  // at a time, with -j 0
inline constexpr std::uint64_t most_nice = 19;
inline constexpr std::size_t line_bytes = 120'000;  // of a command line that is filled; -s
inline constexpr std::size_t name_bytes = 200;      // of a job; --name
inline constexpr double least_weight = 1e-6;
inline constexpr double most_weight = 1e6;

// --- input
inline constexpr std::size_t line_buffer_bytes = 256 << 10;  // at first; it grows with the lines
inline constexpr std::size_t pipe_read_bytes = 128 << 10;    // room for each read of --pipe
inline constexpr std::size_t replacement_characters = 16;    // of the longest replacement string
inline constexpr auto input_recheck = 20ms;  // for a source that can't say for what it waits

// --- output
inline constexpr std::size_t output_bytes = 256 << 10;  // waiting for standard output
inline constexpr std::size_t joblog_bytes = 64 << 10;   // lines waiting for the job log
inline constexpr std::size_t joblog_read_bytes = std::size_t{1} << 20;
inline constexpr std::size_t title_characters = 40;  // of a job, in a table
inline constexpr std::size_t nesting_depth = 64;     // of a value shown as JSON
inline constexpr std::size_t bar_cells = 20;
inline constexpr std::chrono::milliseconds draw_interval = 200ms;  // of the progress bar
inline constexpr std::chrono::milliseconds line_interval = 10s;    // where it can't be drawn over
inline constexpr auto measure_interval = 1s;                       // of its rate
inline constexpr std::size_t ages_known = 256;          // of fragments that run, for the time left
inline constexpr std::uint64_t counted_failures = 100;  // an exit code counts so many fragments

// --- waiting
inline constexpr auto collect_wait = 100ms;  // for a result, before the caller is asked again
inline constexpr auto agreement_wait = 2ms;  // between looks whether a key's inputs agree
inline constexpr std::chrono::seconds cancel_wait = 5s;  // until a cancelled job has ended
// A signal leaves the program so long: commands are killed after their grace, and the outcome
// comes back.
inline constexpr auto signal_wait = fanfold::limits::kill_grace + 3s;

static_assert(pipe_block_bytes <= fanfold::limits::payload_bytes);
static_assert(line_buffer_bytes <= fanfold::limits::payload_bytes);
static_assert(collect_wait <= draw_interval, "the bar is drawn between waits for results");

}  // namespace fanfold::scatterer::cli::limits
