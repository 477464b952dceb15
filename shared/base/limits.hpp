// Every limit of the system, in one place. Sizes are bytes unless the name says otherwise.
// A peer may choose smaller ones; the broker's welcome names those that its peers must obey.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fanfold::limits {

using namespace std::chrono_literals;

// --- messages
// -----------------------------------------------------------------------------------------------
inline constexpr std::size_t header_bytes = std::size_t{4}
                                            << 20;  // one message header, MessagePack
inline constexpr std::size_t payload_bytes = std::size_t{256}
                                             << 20;               // one fragment's payload or value
inline constexpr std::size_t block_bytes = std::size_t{1} << 20;  // a block is closed past this
inline constexpr std::size_t body_bytes = payload_bytes + block_bytes;
inline constexpr std::uint32_t block_fragments = 1u << 16;  // most fragments of one block
inline constexpr std::uint32_t cut_stride = 16;             // a cut offset every so many fragments
inline constexpr std::size_t compress_above = 4 << 10;      // smaller bodies travel as they are
inline constexpr std::uint32_t nesting_depth = 64;          // of a header
inline constexpr std::size_t text_bytes = 64 << 10;         // an error's message, a name, a reason

// --- queues
// -------------------------------------------------------------------------------------------------
inline constexpr std::uint64_t job_credit_bytes = std::uint64_t{64}
                                                  << 20;  // accepted and not yet gathered, per job
inline constexpr std::uint64_t broker_memory_bytes =
    std::uint64_t{1} << 30;  // of payloads held by a broker (--memory)
inline constexpr std::uint64_t gatherer_memory_bytes =
    std::uint64_t{1} << 30;  // of results held by a gatherer (--memory)
inline constexpr std::uint64_t least_memory_bytes = std::uint64_t{32} << 20;  // that --memory takes
inline constexpr std::uint64_t unsafe_results_bytes =
    std::uint64_t{64} << 20;  // per job, finished and not yet safe at its gatherer
inline constexpr std::uint64_t held_results_bytes =
    std::uint64_t{64} << 20;  // shown to no collector yet, per attached job
inline constexpr std::uint64_t collector_credit_bytes =
    std::uint64_t{16} << 20;  // sent to a collector, not acknowledged
inline constexpr std::uint64_t early_result_bytes =
    std::uint64_t{64} << 20;  // for jobs that the gatherer has not heard of
inline constexpr std::uint64_t worker_credit_bytes =
    std::uint64_t{8} << 20;  // on loan to one worker, beyond one fragment a slot
inline constexpr std::uint64_t worker_kept_bytes =
    std::uint64_t{256} << 20;  // results a worker keeps until they are safe
inline constexpr std::size_t unread_bytes =
    std::size_t{64} << 20;  // of headers for a peer that asks and does not read
inline constexpr std::size_t unread_work_bytes =
    std::size_t{1} << 30;  // the same where the jobs are to be told of, all at once
inline constexpr std::size_t output_bytes =
    std::size_t{64} << 20;  // one stream of a command's output (--max-output)
inline constexpr std::size_t names_bytes =
    std::size_t{1} << 20;  // texts of one peer's Hello, or of one job's specification
inline constexpr std::size_t missing_ranges = 10'000;  // listed in one outcome
inline constexpr std::size_t early_collects = 10'000;  // collectors waiting for an unknown job

// --- time
// ---------------------------------------------------------------------------------------------------
inline constexpr auto heartbeat_interval = 500ms;
inline constexpr auto peer_timeout =
    5s;  // silence after which a peer counts as gone (--worker-timeout)
inline constexpr auto shortest_timeout = 500ms;  // the least that --worker-timeout takes
inline constexpr auto connect_timeout =
    5s;                                    // a client's patience with a broker that does not answer
inline constexpr auto resend_after = 2s;   // a confirmed position that stands still
inline constexpr auto client_lease = 10s;  // an attached job outlives its client so long
inline constexpr auto deadline_grace = 3s;  // the broker ends a job itself, past deadline and this
inline constexpr auto gatherer_patience = 10min;  // a gatherer with a store may stay away so long;
                                                  // one without, for twice the worker timeout
inline constexpr auto early_patience = 30s;       // early results and collectors are held so long
inline constexpr auto kill_grace = 2s;            // between SIGTERM and SIGKILL
inline constexpr auto flush_interval = 20ms;      // finished parts of a chunk are told so early
inline constexpr auto longest_step_gap =
    1s;                                  // a longer gap between two steps is a pause of our own
inline constexpr auto keep_ended = 24h;  // an ended job is remembered so long

// --- scheduling
// ---------------------------------------------------------------------------------------------
inline constexpr auto chunk_target = 5ms;   // work in one chunk
inline constexpr auto queue_target = 20ms;  // work queued at a worker, beyond its slots
inline constexpr std::uint32_t chunk_fragments = 8192;
inline constexpr std::uint32_t crash_limit =
    3;                                        // lone runs that killed their worker (--crash-limit)
inline constexpr std::uint32_t slots = 4096;  // of one worker
inline constexpr std::size_t chunk_bytes = 256 << 10;  // of body, while fragments are short
inline constexpr double hedge_budget = 0.05;           // second attempts, as a part of all
inline constexpr std::size_t labels =
    100;  // of one worker; also its resources, and what a job asks of either

// --- what a header may become in memory
// ----------------------------------------------------------------------------
inline constexpr std::size_t decoded_bytes = 64 << 20;  // the elements of all its lists
inline constexpr std::size_t header_objects =
    header_bytes / 4;  // in all: what lists many things takes more bytes for each

// --- peers that talk nonsense
// ---------------------------------------------------------------------------------------
inline constexpr std::uint32_t nonsense_strikes =
    100;  // messages of it within nonsense_window: the peer is cut off
inline constexpr std::size_t nonsense_bytes =
    40 << 10;  // so much of a header that can't be read weighs as one message more
inline constexpr auto nonsense_window = 1min;
inline constexpr auto cut_off_time = 1min;
inline constexpr std::size_t nonsense_peers = 4096;  // remembered

// --- what is shown
// --------------------------------------------------------------------------------------------------
inline constexpr std::size_t shown_bytes =
    4 << 10;  // of a text from outside, in a line of the log or on a terminal

// --- the log: lines of one kind at once, and then one each interval with how many were left out
// ----------------
inline constexpr std::uint32_t warning_lines = 200;
inline constexpr auto warning_interval = 100ms;
inline constexpr std::uint32_t info_lines = 10'000;  // jobs and peers come often
inline constexpr auto info_interval = 1ms;

static_assert(header_bytes < decoded_bytes);
static_assert(block_fragments % cut_stride == 0);
static_assert(heartbeat_interval * 3 < peer_timeout);
static_assert(longest_step_gap < peer_timeout);
static_assert(job_credit_bytes > 4 * block_bytes,
              "a scatterer must be able to keep blocks on their way");

}  // namespace fanfold::limits
