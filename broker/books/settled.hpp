// A job's fragments of which nothing will run again in this round: their value is safe at the
// gatherer, or their error is final. Books owns it. Plain value.
#pragma once

#include <utility>
#include <vector>

#include "broker/books/final_errors.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/result.hpp"

namespace fanfold::broker {

class Settled {
public:
    void add_safe(Range range) { safe_.add(range), both_.add(range); }
    void add_error(FinalError error) {
        Index index = error.failure.index;
        failed_.add({index, index + 1});
        if (error.failure.kind == wire::FailureKind::cancelled) cancelled_.add({index, index + 1});
        both_.add({index, index + 1});
        errors_.add(std::move(error));
    }
    /// The gatherer has the errors of the range.
    void confirm(Range range) { errors_.confirm(range); }
    void drop_errors() { errors_.clear(); }
    /// Failed, by the word of a gatherer that has the errors.
    void add_failed(Range range) { failed_.add(range), both_.add(range); }
    /// The gatherer has lost what it had of the ranges. What was cancelled stays so, and is told
    /// again; the others are returned, for they must run again.
    std::vector<Range> take_back(const std::vector<Range>& ranges);
    /// Only what is safe stays settled. Returns what had failed.
    std::vector<Range> start_round() {
        auto failed = failed_.ranges();
        failed_.clear();
        cancelled_.clear();
        errors_.clear();
        both_ = safe_;
        return failed;
    }

    const RangeSet& safe() const { return safe_; }
    const RangeSet& failed() const { return failed_; }
    const RangeSet& cancelled() const { return cancelled_; }  // of those that failed
    const RangeSet& both() const { return both_; }
    /// Those that the gatherer has not confirmed. Who tells them notes it there.
    FinalErrors& errors() { return errors_; }
    const FinalErrors& errors() const { return errors_; }
    void check_invariants() const {
        FANFOLD_CHECK(both_.size() == safe_.size() + failed_.size());
        for (const auto& [index, error] : errors_.all()) FANFOLD_CHECK(failed_.contains(index));
        errors_.check_invariants();
    }

private:
    RangeSet safe_;
    RangeSet failed_;
    RangeSet cancelled_;
    RangeSet both_;
    FinalErrors errors_;
};

}  // namespace fanfold::broker
