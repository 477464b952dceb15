// The names of things: jobs, fragments, peers, lives. Each is a type of its own. Plain values, any
// thread.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>

#include "shared/base/result.hpp"

namespace fanfold {

using Duration = std::chrono::nanoseconds;
/// A moment on the steady clock of one process; never sent, never compared with another host's.
using Time = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// A fragment's place in its job, from 0 without gaps.
using Index = std::uint64_t;

/// A job's correlation ID: UUIDv7 (RFC 9562, section 5.7), so ids sort by the time of their making.
struct JobId {
    std::array<std::uint8_t, 16> bytes{};
    auto operator<=>(const JobId&) const = default;
};

/// The 36 characters of a UUID, lower case.
std::string to_string(const JobId& job);

/// Reads the 36 characters of a UUID.
Result<JobId> parse_job_id(std::string_view text);

/// A new id from the time in milliseconds since 1970 and 74 random bits (of the 128 handed in).
JobId make_job_id(std::chrono::milliseconds since_1970, std::uint64_t random_high,
                  std::uint64_t random_low);

/// One connection's name at a ROUTER: its routing id, random for each life of a peer.
struct PeerId {
    std::string bytes;
    auto operator<=>(const PeerId&) const = default;
};

/// For logs: printable as it is, or in hexadecimal.
std::string to_string(const PeerId& peer);

/// Tells one life of a process from the next: a number raised in its store at each start (0 where
/// there is none), and a random incarnation.
struct Epoch {
    std::uint64_t number = 0;
    std::uint64_t incarnation = 0;
    auto operator<=>(const Epoch&) const = default;
    static constexpr auto fields = [](auto& m) { return std::tie(m.number, m.incarnation); };
};

/// Whether a process that was `before` and is `now` has forgotten what it knew: another life, and
/// no store that outlived the first.
inline bool lost_memory(const Epoch& before, const Epoch& now) {
    return before != now && (before.number == 0 || now.number <= before.number);
}

}  // namespace fanfold
