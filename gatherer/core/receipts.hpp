// Which fragments of one job have been received, and how each of them ended. Owned by the job's
// assembly, on the core's thread.
//
// Invariants (checked by check_invariants()):
// - a fragment is received at most once: values + failures + abandoned = received;
// - what is let go of is received, and no value that is let go of has failed.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "gatherer/core/rows.hpp"
#include "shared/base/range_set.hpp"

namespace fanfold::gatherer {

class Receipts {
public:
    void add_values(Range range) { received_.add(range); }
    void add_failure(Range range, wire::FailureKind kind);
    void let_go(Range range, LetGo what) { of(what).add(range); }
    /// A failure is let go of as what it is.
    static LetGo as(wire::FailureKind kind) { return static_cast<LetGo>(number_of(kind)); }
    /// What was received past the total is not received; returns how many fragments that were.
    std::uint64_t cut(std::uint64_t total);
    /// What ended without a value is not received any more.
    void start_round();
    /// Rebuilds what an earlier life had let go of. False: some of it ended in another way.
    bool restore_let_go(LetGo what, const std::vector<Range>& ranges);

    const RangeSet& received() const { return received_; }
    const RangeSet& let_go(LetGo what) const { return let_go_[static_cast<std::size_t>(what)]; }
    std::uint64_t failures() const;
    /// Values received and not abandoned.
    std::uint64_t values() const {
        return received_.size() - failures() - let_go(LetGo::abandoned).size();
    }
    std::uint64_t let_go_count() const;

    /// Of the ranges, what has failed, in as many parts as a list has.
    std::vector<Range> failed_within(const std::vector<Range>& ranges) const;
    /// The failures by kind.
    std::vector<wire::Missing> list_failures() const;
    /// Once the job has ended, why fragments have no value: the failures, what the broker told, and
    /// whatever else has no value as cancelled. Within limits::missing_ranges and
    /// limits::missing_reasons.
    std::vector<wire::Missing> list_missing(std::optional<std::uint64_t> total,
                                            const std::vector<wire::Missing>& from_broker) const;
    void check_invariants() const;

private:
    static constexpr std::size_t kinds = 4;  // of failures

    static std::size_t number_of(wire::FailureKind kind);
    RangeSet& of(LetGo what) { return let_go_[static_cast<std::size_t>(what)]; }

    RangeSet received_;
    std::array<RangeSet, kinds> failed_;  // received as failures, by kind
    std::array<RangeSet, static_cast<std::size_t>(LetGo::count)> let_go_;
};

}  // namespace fanfold::gatherer
