// Who may say what: users, their roles, and the roles that each message wants. A connection has
// proved whose it is (its CURVE key); no message can say that for it. Plain values, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>

namespace fanfold {

/// Bits: a user may have several.
enum class Access : std::uint8_t {
    submit = 1,  // open jobs; see, change and collect one's own
    work = 2,    // run chunks, push results
    gather = 4,  // gather jobs
    admin = 8,   // see, change and collect everybody's jobs
};

struct Roles {
    std::uint8_t bits = 0;
    bool has(Access access) const { return (bits & static_cast<std::uint8_t>(access)) != 0; }
    auto operator<=>(const Roles&) const = default;
};
inline constexpr Roles every_role{15};

/// Whose connection a message came by. Without keys everybody is the same nameless user, with every
/// role.
struct Sender {
    std::string user{};
    Roles roles = every_role;
    std::string public_key{};  // that it has proved to hold: CURVE, in Z85
    auto operator<=>(const Sender&) const = default;
};

/// What one user may take of a broker at most; 0: no limit.
struct UserLimits {
    std::uint64_t open_jobs = 0;  // not ended
    std::uint64_t held_bytes =
        0;  // of payloads, of all the user's jobs, in memory and in the store
    std::uint64_t payload_bytes = 0;         // of one fragment
    std::uint64_t fragments = 0;             // of one job
    std::uint64_t submissions = 0;           // jobs opened in a minute
    std::optional<std::int32_t> priority{};  // the highest of its jobs; nothing: no limit
    auto operator<=>(const UserLimits&) const = default;
};

}  // namespace fanfold
