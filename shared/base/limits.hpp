// Every limit of the system, in one place. Sizes are bytes unless the name says otherwise.
// A peer may choose smaller ones; the broker's welcome names those that its peers must obey.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace fanfold::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t KiB = std::size_t{1} << 10;
inline constexpr std::size_t MiB = std::size_t{1} << 20;
inline constexpr std::size_t GiB = std::size_t{1} << 30;

// --- messages

inline constexpr std::size_t header_bytes = 4 * MiB;     // one message header, in MessagePack
inline constexpr std::size_t payload_bytes = 256 * MiB;  // one fragment's payload or value
inline constexpr std::size_t block_bytes = 1 * MiB;      // a block is closed past this
inline constexpr std::size_t body_bytes = payload_bytes + block_bytes;
inline constexpr std::uint32_t block_fragments = 1u << 16;
inline constexpr std::uint32_t cut_stride = 16;         // a cut offset every so many fragments
inline constexpr std::size_t compress_above = 4 * KiB;  // smaller bodies travel as they are
inline constexpr std::size_t text_bytes = 64 * KiB;     // a failure's message
// A longer body travels in parts where its receiver counts silence: one part a timeout is little.
inline constexpr std::size_t whole_bytes = 256 * KiB;
inline constexpr std::size_t part_bytes = 64 * KiB;
// But not where it is seen to be taken within a moment: to cut it, and to put it together, costs.
inline constexpr std::size_t quick_bytes = 4 * MiB;
inline constexpr auto quick_time = 250ms;
inline constexpr auto part_patience = 1min;  // then the rest of a message is not awaited any more

static_assert(header_bytes < payload_bytes);
static_assert(block_fragments % cut_stride == 0);
static_assert(part_bytes <= whole_bytes);
static_assert(text_bytes < header_bytes);

// --- texts and lists of messages. The codec refuses what is past them. Texts for people (reasons,
// notices, refusals, failures) are cut by the program that writes them.

// Texts of one peer's Hello, or of one job's specification, together.
inline constexpr std::size_t names_bytes = 1 * MiB;
inline constexpr std::size_t name_bytes = 255;  // of a peer, a user, a function
inline constexpr std::size_t routing_id_bytes = 255;
inline constexpr std::size_t endpoint_bytes = 255;
inline constexpr std::size_t public_key_bytes = 40;     // CURVE, in Z85
inline constexpr std::size_t digest_bytes = 16;         // XXH3, 128 bits
inline constexpr std::size_t reason_bytes = 4 * KiB;    // of an end, a notice, a refusal
inline constexpr std::size_t label_bytes = text_bytes;  // a label, a resource's name
inline constexpr std::size_t key_bytes = text_bytes;    // a job's
inline constexpr std::size_t identity_bytes = 4 * KiB;  // of a folder
inline constexpr std::size_t named = names_bytes / 16;  // functions, labels, variables of one list
inline constexpr std::size_t endpoints = 16;            // of one socket
inline constexpr std::size_t gatherers = 256;           // of one broker
inline constexpr std::size_t allowed_keys = 10'000;     // of one broker
inline constexpr std::size_t missing_reasons = 16;      // of one outcome
inline constexpr std::size_t missing_ranges = 10'000;   // listed in one outcome
inline constexpr std::size_t nesting_depth = 64;        // of jobs within fragments of others
inline constexpr std::size_t held_jobs = 10'000;        // in one Holds, or Describe
inline constexpr std::size_t handed_row_bytes = header_bytes - 1 * KiB;  // without its body
inline constexpr std::size_t listed_ranges = 200'000;                    // in one list
inline constexpr std::size_t listed = 250'000;  // entries of any other list
inline constexpr std::size_t cuts_bytes = 4 * block_fragments;

// What is made of what came in is read back, and read by others: each message fits into a header.
namespace largest {
inline constexpr std::size_t numbers = 1 * KiB;  // the fields of a fixed size of any struct
inline constexpr std::size_t range = 19;
inline constexpr std::size_t gatherer =
    name_bytes + 2 * endpoints * (endpoint_bytes + 3) + public_key_bytes + numbers;
inline constexpr std::size_t outer_attempt = 40;
inline constexpr std::size_t spec =
    names_bytes + routing_id_bytes + nesting_depth * outer_attempt + identity_bytes + numbers;
// As it may come in. The broker itself makes two lists, and the gatherer as many ranges as one has.
inline constexpr std::size_t outcome =
    reason_bytes + missing_reasons * (name_bytes + missing_ranges * range + 10) + numbers;
inline constexpr std::size_t reported_job =
    names_bytes + 2 * reason_bytes + 2 * name_bytes + numbers;
}  // namespace largest
static_assert(gatherers * largest::gatherer + endpoints * (endpoint_bytes + 3) < header_bytes,
              "Welcome, and the gatherers of a Report");
static_assert(header_bytes / 4 + 2 * largest::reported_job < header_bytes, "the jobs of a Report");
static_assert(allowed_keys * (public_key_bytes + name_bytes + 16) < header_bytes, "AllowedKeys");
static_assert(largest::outcome < header_bytes, "Ended, Concluded");
static_assert(largest::spec + largest::outcome < header_bytes,
              "Described, of a job that has ended");
static_assert(held_jobs * (16 + 2 + 2 * largest::range) < header_bytes, "Holds");
static_assert(largest::spec + largest::gatherer < header_bytes / 2,
              "Dispatch with its brief, Assign, Found, a first Block");
static_assert(cuts_bytes + largest::spec < header_bytes / 2, "Block");
static_assert(listed_ranges * largest::range < header_bytes,
              "Gathered, SendAgain, Release of one job");
static_assert(header_bytes / 4 + text_bytes < header_bytes, "Errors, Failures");

// --- what a header may become in memory

inline constexpr std::size_t decoded_bytes = 64 * MiB;  // the elements of all its lists
// Objects of a header in all: a message that lists many things takes more bytes for each.
inline constexpr std::size_t header_objects = header_bytes / 4;

static_assert(header_bytes < decoded_bytes);

// --- queues

// Payloads accepted and not yet gathered, of one job.
inline constexpr std::uint64_t job_credit_bytes = 64 * MiB;
inline constexpr std::uint64_t broker_memory_bytes = 1 * GiB;    // of payloads held (--memory)
inline constexpr std::uint64_t gatherer_memory_bytes = 1 * GiB;  // of results held (--memory)
inline constexpr std::uint64_t least_memory_bytes = 32 * MiB;    // that --memory takes
// Results of one job that are finished and not yet safe at its gatherer.
inline constexpr std::uint64_t unsafe_results_bytes = 64 * MiB;
// Results of one attached job that were shown to no collector yet.
inline constexpr std::uint64_t held_results_bytes = 64 * MiB;
// Rows of a job on their way from one gatherer to another.
inline constexpr std::uint64_t handed_bytes = 8 * MiB;
// Sent to a collector and not acknowledged.
inline constexpr std::uint64_t collector_credit_bytes = 16 * MiB;
// Results for jobs that the gatherer has not heard of.
inline constexpr std::uint64_t early_result_bytes = 64 * MiB;
inline constexpr std::size_t early_collects = 10'000;  // collectors that wait for an unknown job
// On loan to one worker, beyond one fragment a slot.
inline constexpr std::uint64_t worker_credit_bytes = 8 * MiB;
// Results that a worker keeps until they are safe.
inline constexpr std::uint64_t worker_kept_bytes = 256 * MiB;
// Headers for a peer that asks and does not read; those that tell of work, all at once when it
// joins, have a limit of their own.
inline constexpr std::size_t unread_bytes = 64 * MiB;
inline constexpr std::size_t unread_work_bytes = 1 * GiB;
inline constexpr int received_messages = 2000;  // that wait in one socket, of one peer
inline constexpr int messages_a_turn = 64;      // of one socket, before the others get their turn
inline constexpr std::size_t output_bytes = 64 * MiB;  // of a command's stream (--max-output)

static_assert(job_credit_bytes > 4 * block_bytes,
              "a scatterer must be able to keep blocks on their way");
static_assert(unread_bytes > header_bytes && unread_work_bytes > unread_bytes);
static_assert(least_memory_bytes <= broker_memory_bytes &&
              least_memory_bytes <= gatherer_memory_bytes);

// --- time

inline constexpr auto heartbeat_interval = 500ms;
inline constexpr auto peer_timeout = 5s;  // silence that means a peer is gone (--worker-timeout)
inline constexpr auto shortest_timeout = 500ms;  // the least that --worker-timeout takes
inline constexpr auto connect_timeout = 5s;      // a client's patience with a silent broker
inline constexpr auto handshake_patience = 5s;   // a connection that is not set up by then is cut
inline constexpr auto proof_patience = 20s;      // with a socket that is to refuse an unknown key
inline constexpr auto resend_after = 2s;         // a confirmed position that stands still
inline constexpr auto client_lease = 10s;        // an attached job outlives its client so long
inline constexpr auto deadline_grace = 3s;  // past a deadline, the broker ends the job itself then
// A gatherer with a store may stay away so long; one without, for twice the worker timeout.
inline constexpr auto gatherer_patience = 10min;
inline constexpr auto early_patience = 30s;   // early results and collectors are held so long
inline constexpr auto kill_grace = 2s;        // between SIGTERM and SIGKILL
inline constexpr auto flush_interval = 20ms;  // finished parts of a chunk are told so early
inline constexpr auto longest_step_gap = 1s;  // a longer one is a pause of this process itself
inline constexpr auto longest_sleep = 750ms;  // a shell steps its core at least so often
inline constexpr auto store_retry = 1s;       // what the disk refused is tried again so often
inline constexpr auto keep_ended = 24h;       // an ended job is remembered so long

static_assert(heartbeat_interval * 3 < peer_timeout);
static_assert(longest_sleep < longest_step_gap, "a quiet loop must count as lived through");
static_assert(longest_step_gap < peer_timeout);
static_assert(resend_after < peer_timeout);
static_assert(client_lease > peer_timeout && gatherer_patience > 2 * peer_timeout);

// --- scheduling

inline constexpr auto chunk_target = 5ms;   // work in one chunk
inline constexpr auto queue_target = 20ms;  // work queued at a worker, beyond its slots
inline constexpr std::uint32_t chunk_fragments = 8192;
inline constexpr std::size_t chunk_bytes = 256 * KiB;  // of body, while fragments are short
inline constexpr std::uint32_t crash_limit = 3;  // lone runs that killed workers (--crash-limit)
inline constexpr std::uint32_t slots = 4096;     // of one worker
inline constexpr double hedge_budget = 0.05;     // second attempts, as a part of all
inline constexpr std::size_t labels = 100;       // of one worker or job; also resources of either

static_assert(chunk_target < queue_target);
static_assert(chunk_fragments <= block_fragments && chunk_bytes <= block_bytes);
static_assert(chunk_bytes <= worker_credit_bytes);
static_assert(chunk_bytes <= whole_bytes, "a chunk of short fragments is never copied");

// --- connections and keys

inline constexpr int connections_waiting = 1024;  // that the system holds for one bound socket
// Connections that have not proved a key yet: of one program, of one address, and what one may
// send.
inline constexpr std::size_t arrivals = 1024;
inline constexpr std::size_t arrivals_of_address = 256;
inline constexpr std::size_t arrival_bytes = 64 * KiB;
inline constexpr auto arrivals_interval = 10ms;  // in which they are looked at
// A socket sends less to one that has not proved a key, and more to one that has: libzmq's CURVE.
inline constexpr std::size_t handshake_bytes = 256;
inline constexpr std::size_t spare_descriptors = 64;  // of a program; what comes to them is closed
inline constexpr std::size_t user_bytes = 100;        // of a user's name in files with keys
inline constexpr std::size_t key_file_bytes = 16 * MiB;  // of a file with keys

// --- peers that misbehave

inline constexpr std::uint32_t misbehaviour_strikes = 100;  // in misbehaviour_window: cut off
// So much of a header that can't be read weighs as one strike more.
inline constexpr std::size_t misbehaviour_bytes = 40 * KiB;
inline constexpr auto misbehaviour_window = 1min;
inline constexpr auto cut_off_time = 1min;
inline constexpr std::size_t misbehaviour_peers = 4096;  // remembered
inline constexpr std::uint64_t misbehaviour_lines = 10;  // of the log at once, then one a second

static_assert(header_bytes / misbehaviour_bytes > misbehaviour_strikes,
              "one header of the greatest size that can't be read is enough");

// --- what is shown

inline constexpr std::size_t shown_bytes = 4 * KiB;  // of a text from outside, in one line

// --- the log: lines of one kind at once, and then one each interval with how many were left out

inline constexpr std::size_t logged_name_bytes = 64;  // of a peer's name in a line
inline constexpr std::size_t old_log_files = 1000;
inline constexpr std::uint64_t warning_lines = 200;
inline constexpr auto warning_interval = 100ms;
inline constexpr std::uint64_t info_lines = 10'000;  // jobs and peers come often
inline constexpr auto info_interval = 1ms;

// --- the store

inline constexpr int store_page_bytes = 64 * KiB;
inline constexpr int store_checkpoint_pages = 512;        // of log, before it goes to the database
inline constexpr std::size_t store_log_bytes = 64 * MiB;  // that are kept of an emptied log

static_assert(store_checkpoint_pages * store_page_bytes <= store_log_bytes);

}  // namespace fanfold::limits
