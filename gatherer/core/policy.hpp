// When a job is done: the gather policies, as pure functions of what is in hand. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/wire/messages.hpp"

namespace fanfold::gatherer {

struct Counts {
    std::uint64_t values = 0;
    std::uint64_t failures = 0;
    std::optional<std::uint64_t> total = {};  // once sealed
    bool deadline_reached = false;

    /// In hand. Complete with them is final at once: nobody can contradict it.
    bool every_value() const { return values == total; }
};

struct Verdict {
    wire::Outcome outcome = wire::Outcome::complete;
    std::string reason;
};

/// The outcome that the job's policy calls for now; nothing while it has to go on.
std::optional<Verdict> judge(const wire::JobSpec& spec, const Counts& counts);

/// The time that the job has, if it is limited: a deadline past all reckoning is none.
std::optional<Duration> deadline_of(const wire::JobSpec& spec);

/// How many values the policy takes at most: its quorum, or no limit.
std::uint64_t values_wanted(const wire::JobSpec& spec);

}  // namespace fanfold::gatherer
