// Every limit of the worker's own, beside those of the system, which are found under the same name.
// Sizes are bytes unless the name says otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.hpp"

namespace fanfold::worker::limits {

using namespace std::chrono_literals;
using namespace fanfold::limits;

// --- the session with the broker
inline constexpr auto done_patience = 2ms;             // what has ended is told after so long
inline constexpr std::size_t told_arrival = 16 * KiB;  // of payloads: the broker hears of it soon
inline constexpr auto drain_patience = resend_after;   // for the last results to be confirmed
inline constexpr int messages_per_turn = 64;  // read from the broker, before the executors' events

// --- the worker's own trouble
inline constexpr std::uint32_t troubles_until_check = 3;  // in a row
inline constexpr auto first_rest = 1s;                    // twice as long each time,
inline constexpr auto longest_rest = 1min;                // and that at most
inline constexpr auto first_doubted_rest = 10s;           // when the broker doubts it
inline constexpr auto longest_doubted_rest = 10min;
inline constexpr auto doubts_remembered = 1h;
inline constexpr auto check_patience = 1min;            // a check takes no longer
inline constexpr std::size_t checked_bytes = 64 << 10;  // that must find room in a folder

// --- results that are kept
inline constexpr auto full_patience = 100ms;  // then a full worker gives back what waits
inline constexpr auto resend_check = 500ms;
inline constexpr auto longest_resend_patience = 30s;
inline constexpr auto relay_again = 2s;  // when they had no room for the second time; 4, 8, … 30 s
inline constexpr std::uint64_t resend_bytes = std::uint64_t{32} << 20;  // of one job, at once
inline constexpr std::uint64_t inventory_ranges = 50'000;  // kept; a heartbeat names each of them

// --- names
inline constexpr std::size_t declared_name_bytes = 200;  // of a function, a label, a resource
inline constexpr std::size_t named_functions = 20;       // in an error that lists what is offered

// --- handlers
inline constexpr auto watch_interval = flush_interval / 2;  // between two scans of the slots
inline constexpr int idle_scans = 50;                       // then the watch goes to sleep
inline constexpr auto short_task = 100us;   // a shorter one runs on the thread that leads
inline constexpr auto batch_target = 50us;  // handlers' time between two locks
inline constexpr std::uint64_t batch_fragments = 4096;
inline constexpr auto longest_sleep = 365 * 24h;       // of fanfold.sleep
inline constexpr std::size_t value_room = 4 << 10;     // of a buffer for values, at first
inline constexpr std::size_t worth_moving = 64 << 10;  // a smaller value is copied

// --- commands
inline constexpr std::size_t streams_bytes = payload_bytes / 2 - 64;  // of either stream: one value
inline constexpr auto short_command = flush_interval / 2;             // its value waits for others
inline constexpr std::size_t json_depth = 256;   // of a payload on standard input
inline constexpr std::size_t error_tail = 2000;  // of a failed command's stderr, in its message
inline constexpr auto watch_output_after = 5ms;  // most commands have ended before
inline constexpr auto background_patience = 1s;  // with output held open after a command's exit
inline constexpr int reads_per_turn = 16;        // of one stream

// --- the guardian
inline constexpr auto guardian_answer = 5s;      // from its start
inline constexpr auto guardian_last_kill = 10s;  // with what does not die of SIGKILL, at its end
inline constexpr auto guardian_exit = 12s;       // from the runner's end of the socket
inline constexpr std::size_t left_names_bytes = 100;  // of what a command leaves in its folder
inline constexpr int requests_per_turn = 32;          // then it looks after its children again
inline constexpr auto settle_interval = 50ms;  // between two scans of a stopped command's kin
inline constexpr auto leftovers_interval = 500ms;
inline constexpr int kill_rounds = 20;         // a process may fork faster than /proc can be walked
inline constexpr std::uint64_t cpu_grace = 2;  // seconds between SIGXCPU and SIGKILL
inline constexpr std::size_t spawn_stack_bytes = 128 << 10;  // besides the arguments

static_assert(declared_name_bytes <= name_bytes && declared_name_bytes <= label_bytes);
static_assert(done_patience < flush_interval);
static_assert(full_patience < resend_after);
static_assert(inventory_ranges * 40 < header_bytes, "an inventory fits a heartbeat's header");
static_assert(worker_kept_bytes >= payload_bytes, "the largest value can be kept");
static_assert(2 * streams_bytes < payload_bytes, "both streams of a command fit one value");
static_assert(short_command <= watch_interval, "a scan comes before a value has waited for long");
static_assert(guardian_exit > guardian_last_kill);
static_assert(background_patience > leftovers_interval);

}  // namespace fanfold::worker::limits
