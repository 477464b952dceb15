// The broker's own limits, beside those of the whole system, which they are related to at the end.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.hpp"
#include "shared/base/token_bucket.hpp"

namespace fanfold::broker::limits {

using namespace fanfold::limits;

// --- a job's books
inline constexpr auto limbo_time = 500ms;  // for results that were pushed before their worker died
inline constexpr auto vanished_after = 5min;  // a worker that is gone so long never comes back
inline constexpr std::uint32_t vanished_of_crashed = 2;  // so many of these weigh as one crash
inline constexpr std::size_t absent_workers = 10'000;    // remembered until then
inline constexpr std::uint32_t suspicion_shrinks = 256;  // a suspect's chunk is so much smaller

// --- dispatch
inline constexpr auto not_worth_splitting = 500us;  // of work
inline constexpr double few_fragments = 16;  // of a millisecond or so go together all the same,
inline constexpr auto longest_few = 10ms;    // for a chunk's messages cost a part of one
inline constexpr double pace_learning_rate = 0.125;
inline constexpr double slowest_pace = 64;
inline constexpr std::size_t chunks_a_slot = 4;
inline constexpr auto longest_queued = 50ms;     // of a fragment; past it a round trip is nothing,
inline constexpr int queued_round_trips = 10;    // unless it takes a tenth of the fragment's time
inline constexpr double while_unknown = 1e6;     // nanoseconds of a fragment, for shares
inline constexpr double least_charged = 10;      // nanoseconds of a fragment, for shares
inline constexpr double short_work = 500'000;    // nanoseconds of a job's rest: not worth a thought
inline constexpr int places_tried = 4;           // among workers without a free slot
inline constexpr std::size_t unused_pools = 64;  // kept for the next job of the same demand
inline constexpr std::uint32_t lost_after = 4;   // inventories that don't count a dispatch
inline constexpr auto rest_of_a_full_worker = 250ms;
inline constexpr double most_hedges = 100;  // saved up by a function

// --- what is on its way to the broker
inline constexpr double window_fragments = 8;  // large ones, that a client may send ahead

// --- what is on its way to a worker
inline constexpr auto flow_time = 1s;  // of what it takes
inline constexpr std::size_t least_flow = 256 * KiB;
inline constexpr std::size_t probe_bytes = 16 * KiB;  // a chunk that shows the round trip
inline constexpr auto shortest_flow = 100us;          // that is measured
inline constexpr double flow_decay = 0.8;             // most that one slow delivery takes off

// --- results that workers can't push to their gatherer
inline constexpr std::uint64_t relay_credit = 1 << 20;   // of one worker to one gatherer
inline constexpr std::uint64_t relayed_bytes = 8 << 20;  // of one gatherer, or one run of values
inline constexpr std::uint64_t relay_cost = 256;         // of one run in memory, beside its values

// --- jobs that only gatherers know
inline constexpr std::size_t asked_jobs = 200'000;  // that one is to describe
inline constexpr auto jobs_awaited_for = 10s;       // since one came: may a key be that of its job?

// --- jobs that go from one gatherer to another
inline constexpr auto patience_of_a_move = 1min;  // with a gatherer that sends or takes nothing,
inline constexpr std::uint64_t slowest_move = 32 * KiB;  // and for so much a second, one more
inline constexpr auto pause_of_moves = 1s;   // when none of a gatherer's jobs can go now
inline constexpr auto rest_of_a_move = 30s;  // until a job that could not go is tried again

// --- workers in trouble
inline constexpr auto first_avoided = 1s;  // a worker that can't run a job's command, by that job;
inline constexpr auto longest_avoided = 1min;               // twice as long each time
inline constexpr std::size_t avoided_workers = 10'000;      // remembered of a job
inline constexpr std::uint32_t most_given_back = 16;        // a fragment, in trouble; then it fails
inline constexpr std::size_t troubled_fragments = 100'000;  // remembered of a job
inline constexpr std::uint64_t tallied = 1000;              // attempts; then all counts are halved
inline constexpr std::size_t tallies = 100;                 // of one worker: functions or jobs
inline constexpr double least_failures = 8;  // of a worker, before they can stand out,
inline constexpr double least_attempts = 8;  // and of the others, to compare with,
inline constexpr double deviations = 4;      // from what they let expect
inline constexpr auto quick_failure = 1s;
inline constexpr auto rest_of_an_old_worker = 1min;  // that can't be asked to check itself

// --- idle slots
inline constexpr auto worth_recalling = 1ms;  // a recall is a round trip, and so is a dispatch
inline constexpr auto recall_again = 10ms;    // of a worker that had nothing to give back
inline constexpr auto scan_interval = 1ms;
inline constexpr auto longest_scan_interval = 100ms;
inline constexpr auto scan_cost = 1us;  // of each thing looked at, at most

// --- sending
inline constexpr auto verdict_patience = 1s;  // with a gatherer that has a failure too many
inline constexpr auto later_by = 2ms;         // what is off the path of small jobs
inline constexpr auto release_delay = 2ms;    // letting go is told in batches

// --- time
inline constexpr auto sweep_interval = 100ms;
inline constexpr auto idle_sweep_interval = 500ms;
inline constexpr auto patience_with_room = 2s;          // before anybody is told of a user's limit
inline constexpr auto patience_with_the_dead = 1500ms;  // a closed connection shows within that
inline constexpr auto longest_resend_patience = 30s;
inline constexpr auto absence_told_after = 5s;  // of a gatherer, to clients: a restart takes less

// --- what is kept
inline constexpr std::size_t blocks_ahead = 4;       // fetched before they are needed
inline constexpr std::size_t ended_attached = 1000;  // jobs that are remembered
inline constexpr std::size_t ended_kept = 100'000;
inline constexpr std::uint64_t unsealed_jobs = 10'000;                            // of one user
inline constexpr std::ptrdiff_t waiting_finds = 100;                              // of one peer
inline constexpr std::uint64_t cancelled_fragments = block_fragments;             // named at a time
inline constexpr TokenRate answered_strays = {.at_once = 10, .interval = 100ms};  // of one user

// --- rows and reports
inline constexpr std::size_t safe_ranges_in_row = 10'000;
inline constexpr std::size_t numbers_bytes = 256;  // of one job or worker in a report, texts aside
inline constexpr std::size_t report_bytes = header_bytes / 4;  // and then another message is asked

static_assert(safe_ranges_in_row * largest::range + largest::numbers < header_bytes, "Safe");
static_assert(largest::outcome + largest::numbers < header_bytes, "Ended");
static_assert(largest::spec + name_bytes + largest::numbers < header_bytes, "Job");
static_assert(cuts_bytes + largest::numbers < header_bytes, "Block");
static_assert(fanfold::limits::text_bytes + 2 * name_bytes + largest::numbers < header_bytes,
              "Error");
static_assert(largest::reported_job + 2 * report_bytes < header_bytes, "one more in a report");
static_assert(numbers_bytes <= largest::numbers);
static_assert(patience_with_the_dead > heartbeat_interval);
static_assert(vanished_after > peer_timeout);
static_assert(sweep_interval <= idle_sweep_interval && idle_sweep_interval <= heartbeat_interval);
static_assert(later_by < flush_interval && release_delay < flush_interval);
static_assert(least_charged < while_unknown);
static_assert(least_flow >= chunk_bytes && least_flow < worker_credit_bytes);
static_assert(longest_resend_patience > resend_after);

}  // namespace fanfold::broker::limits
