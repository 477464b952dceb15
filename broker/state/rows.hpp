// The rows in which the broker keeps its jobs (shared/store/store.hpp); shared/wire/fields.hpp
// makes their bytes. A job's rows are read in the order of their kinds. After a cut at any record,
// what is left is a state in which the broker was, or one that the next step makes good. Plain
// values.
//
// Within one format fields are only ever appended, and kinds never used again for something else;
// any other change raises `format`, and a store of another format is refused at the start.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::broker::rows {

inline constexpr int format = 2;  // 1: wire messages

enum class Kind : std::uint8_t {
    job = 1,        // number: milliseconds since 1970 of its opening
    location = 2,   //
    block = 3,      // its payloads in the body; number: its first fragment
    total = 4,      //
    error = 5,      // its output in the body; number: the fragment
    safe = 6,       // number: 0, and 1 more for each further limits::safe_ranges_in_row ranges
    accepted = 7,   //
    tried = 8,      // number: the fragment
    share = 9,      // once it was adjusted
    ended = 10,     // number: milliseconds since 1970
    round = 11,     // number: milliseconds since 1970 of that
    forgotten = 12  // of a job that has no other row
};

/// How the job was submitted.
struct Job {
    static constexpr Kind kind = Kind::job;
    std::uint64_t token = 0;
    std::string user{};
    std::uint64_t owner_incarnation = 0;
    wire::JobSpec spec{};
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.token, r.user, r.owner_incarnation, r.spec);
    };
};

/// Who gathers its results.
struct Location {
    static constexpr Kind kind = Kind::location;
    std::uint32_t assignment = 0;
    wire::GathererRef gatherer{};
    bool taken_over = false;  // from it: there are no blocks
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.assignment, r.gatherer, r.taken_over);
    };
};

/// A block's header.
struct Block {
    static constexpr Kind kind = Kind::block;
    std::uint32_t count = 0;
    std::uint32_t stride = 0;
    std::string cuts{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.count, r.stride, r.cuts); };
};

/// It is whole, with so many fragments.
struct Total {
    static constexpr Kind kind = Kind::total;
    std::uint64_t fragments = 0;
    static constexpr auto fields = [](auto& r) { return std::tie(r.fragments); };
};

/// A final error.
struct Error {
    static constexpr Kind kind = Kind::error;
    wire::Failure failure{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.failure); };
};

/// Fragments whose values the gatherer has.
struct Safe {
    static constexpr Kind kind = Kind::safe;
    std::vector<Range> ranges{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.ranges); };
};

/// How far it is accepted.
struct Accepted {
    static constexpr Kind kind = Kind::accepted;
    Index next = 0;
    std::uint64_t bytes = 0;  // of all payloads so far
    std::string digest{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.next, r.bytes, r.digest); };
};

/// How often a fragment was tried that is queued again.
struct Tried {
    static constexpr Kind kind = Kind::tried;
    std::uint32_t attempts = 0;
    std::uint32_t failures = 0;
    std::uint32_t lone_crashes = 0;
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.attempts, r.failures, r.lone_crashes);
    };
};

struct Share {
    static constexpr Kind kind = Kind::share;
    wire::JobShare share{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.share); };
};

/// How it ended.
struct Ended {
    static constexpr Kind kind = Kind::ended;
    wire::Outcome outcome = wire::Outcome::running;
    std::string reason{};
    std::uint32_t assignment = 0;
    std::optional<std::uint64_t> total{};
    std::uint64_t values = 0;
    std::vector<wire::Missing> missing{};
    bool lost = false;
    std::uint64_t held_bytes = 0;  // of its values, at the gatherer
    static constexpr auto fields = [](auto& r) {
        return std::tie(r.outcome, r.reason, r.assignment, r.total, r.values, r.missing, r.lost,
                        r.held_bytes);
    };
};

/// How often it was retried.
struct Round {
    static constexpr Kind kind = Kind::round;
    std::uint32_t round = 0;
    static constexpr auto fields = [](auto& r) { return std::tie(r.round); };
};

/// The gatherer that is to forget it.
struct Forgotten {
    static constexpr Kind kind = Kind::forgotten;
    wire::GathererRef gatherer{};
    static constexpr auto fields = [](auto& r) { return std::tie(r.gatherer); };
};

}  // namespace fanfold::broker::rows
