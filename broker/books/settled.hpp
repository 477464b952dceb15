// A job's fragments of which nothing will run again in this round: their value is safe at the
// gatherer, or their error is final. Books owns it. Plain value.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

/// An error on its way to the gatherer.
struct FinalError {
    wire::Failure failure;
    Slice output;
    bool told = false;
    Time sent{};
};

class Settled {
public:
    void add_safe(Range range) { safe_.add(range), both_.add(range); }
    void add_error(FinalError error) {
        Index index = error.failure.index;
        failed_.add({index, index + 1});
        both_.add({index, index + 1});
        errors_.emplace(index, std::move(error));
    }
    /// The gatherer has the errors of the range.
    void confirm(Range range) {
        errors_.erase(errors_.lower_bound(range.begin), errors_.lower_bound(range.end));
    }
    void drop_errors() { errors_.clear(); }
    /// Only what is safe stays settled. Returns what had failed.
    std::vector<Range> start_round() {
        auto failed = failed_.ranges();
        failed_.clear();
        errors_.clear();
        both_ = safe_;
        return failed;
    }

    const RangeSet& safe() const { return safe_; }
    const RangeSet& failed() const { return failed_; }
    const RangeSet& both() const { return both_; }
    /// Those that the gatherer has not confirmed. Who tells them notes it there.
    std::map<Index, FinalError>& errors() { return errors_; }
    void check_invariants() const {
        FANFOLD_CHECK(both_.size() == safe_.size() + failed_.size());
        for (const auto& [index, error] : errors_) FANFOLD_CHECK(failed_.contains(index));
    }

private:
    RangeSet safe_;
    RangeSet failed_;
    RangeSet both_;
    std::map<Index, FinalError> errors_;
};

}  // namespace fanfold::broker
