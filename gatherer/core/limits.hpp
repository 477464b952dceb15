// The gatherer's own limits, and how they relate to those of the whole system. Sizes are bytes
// unless the name says otherwise.
#pragma once

#include "shared/base/limits.hpp"

namespace fanfold::gatherer::limits {

using namespace fanfold::limits;

// --- what goes to collectors
inline constexpr auto shortest_watched = 100us;  // of a body's time to its acknowledgement

// --- what is held
inline constexpr std::uint64_t entry_bytes = 320;          // the books around one entry
inline constexpr std::size_t copied_below = 4 << 10;       // smaller bodies would pin their buffer
inline constexpr std::uint64_t early_message_bytes = 256;  // the books around an early message
inline constexpr std::uint64_t last_sequence = std::uint64_t{1} << 62;  // no job comes near it

// --- what is confirmed to the broker
inline constexpr auto confirm_within = 2ms;        // the first range of a batch waits no longer
inline constexpr std::uint32_t confirm_runs = 64;  // a batch of so many is sent at once
inline constexpr std::size_t gathered_ranges = 10'000;  // of one Gathered

// --- what is fetched from the store
inline constexpr std::size_t fetched_entries = 4;        // ahead of one collector
inline constexpr std::uint64_t fetched_bytes = 4 << 20;  // ahead of one collector
inline constexpr std::uint64_t fetching_share = 4;  // of --memory, one part in so many, for all

// --- jobs that come from another gatherer
inline constexpr std::uint32_t handed_rows = 16;      // the broker is told of so many at once,
inline constexpr std::uint64_t told_bytes = 1 << 20;  // or of so much

// --- rows
inline constexpr std::size_t row_bytes = handed_row_bytes;  // of a row without its body
inline constexpr std::size_t let_go_entries = 64;       // let go in memory before they are on disk
inline constexpr std::uint64_t let_go_bytes = 1 << 20;  // likewise
inline constexpr std::size_t let_go_ranges = 10'000;    // of one row
inline constexpr auto latest = std::chrono::milliseconds(9'000'000'000'000);  // fits a Time

// --- time
inline constexpr auto oldest = std::chrono::hours(24 * 365 * 50);  // that a job can be
inline constexpr auto scan_for_silent_every = 1s;
inline constexpr auto note_denied_every = 1s;

static_assert(gathered_ranges <= listed_ranges, "Gathered");
static_assert(let_go_ranges * largest::range + largest::numbers < row_bytes, "LetGoRow");
static_assert(largest::spec + name_bytes + largest::numbers < row_bytes, "JobRow");
static_assert(largest::outcome < row_bytes, "OutcomeRow");
static_assert(text_bytes + 2 * name_bytes + largest::numbers < row_bytes, "EntryRow");
static_assert(reason_bytes + largest::numbers < row_bytes, "ProposalRow");
static_assert(fetched_bytes <= collector_credit_bytes);
static_assert(fetched_bytes <= least_memory_bytes / fetching_share);
static_assert(2 * told_bytes < handed_bytes, "its sender never waits for what is not told");
static_assert(let_go_bytes < held_results_bytes);
static_assert(confirm_within < flush_interval);
static_assert(scan_for_silent_every < client_lease);

}  // namespace fanfold::gatherer::limits
