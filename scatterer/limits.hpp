// Every limit of the scatterer's library, beside those of the system, which are found under the
// same name. Sizes are bytes unless the name says otherwise.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "shared/base/limits.hpp"

namespace fanfold::scatterer::limits {

using namespace std::chrono_literals;
using namespace fanfold::limits;

// --- the session with the broker
inline constexpr auto give_up = 10min;          // of a broker that was met, and is silent
inline constexpr auto first_word_of_wait = 5s;  // to people, of a wait for the broker
inline constexpr auto next_word_of_wait = 30s;  // and again
inline constexpr auto question_again = 2s;
inline constexpr auto check_interval = 100ms;  // between two looks at what has to be said again

inline constexpr auto embedded_start = 60s;  // for the worker's welcome, in an embedded fleet

// --- a job
inline constexpr auto cancel_again = 1s;
inline constexpr auto seal_again = 1s;
inline constexpr auto watch_again = 2s;    // until the broker answers
inline constexpr auto notice_again = 30s;  // the same text of the broker
inline constexpr auto watch_on = 10s;      // afterwards, should the news of the end have been lost
inline constexpr auto longest_patience = 10s;  // between two repetitions of what is not answered
inline constexpr auto given_up_memory = 1h;    // the broker may still speak of a job given up here
inline constexpr auto conclusion_patience = 5s;  // with a mute gatherer, once the broker has ended
                                                 // the job and nothing is lacking
inline constexpr auto results_patience = 3 * peer_timeout;  // while results are lacking
inline constexpr std::uint64_t submission_window = std::uint64_t{2} << 20;  // not yet accepted
inline constexpr std::uint64_t submission_window_blocks = 16;  // of one large fragment each
inline constexpr std::size_t least_block_capacity = 1024;

// --- the user's side
inline constexpr std::uint64_t waiting_bytes = 2 * block_bytes;  // in the client, past the credit
inline constexpr auto look_after = 5ms;    // what lies in a block that is not full is sent then
inline constexpr auto look_around = 10ms;  // while an adding thread waits for room
inline constexpr std::uint64_t acknowledged_bytes = std::uint64_t{1} << 19;  // consumed, at once
inline constexpr std::uint64_t worth_acknowledging = 64 << 10;  // before waiting for more

// --- the thread that owns the sockets
inline constexpr int messages_per_turn = 512;  // of one socket, before the others get their turn
inline constexpr auto goodbye_time = 500ms;    // for what is still to be sent at the end

static_assert(watch_again < watch_on);
static_assert(conclusion_patience < results_patience);
static_assert(check_interval < resend_after);
static_assert(longest_patience >= resend_after);
static_assert(submission_window >= waiting_bytes, "the window has room for the blocks that wait");
static_assert(worth_acknowledging < acknowledged_bytes);
static_assert(acknowledged_bytes < collector_credit_bytes);

}  // namespace fanfold::scatterer::limits
