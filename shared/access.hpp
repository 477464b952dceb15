// Who may say what: users, their roles, and the roles that each message wants. A connection has proved whose it is (its CURVE key); no
// message can say that for it. Plain values, any thread.
#pragma once

#include <compare>
#include <cstdint>
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

/// Whose connection a message came by. Without keys everybody is the same nameless user, with every role.
struct Sender {
    std::string user{};
    Roles roles = every_role;
    auto operator<=>(const Sender&) const = default;
};

}  // namespace fanfold
