#include "broker/books/settled.hpp"

#include "broker/books/attempts.hpp"

namespace fanfold::broker {

std::vector<Range> Settled::take_back(const std::vector<Range>& ranges) {
    RangeSet again(ranges);
    for (Range range : ranges)
        for (Range part : cancelled_.within(range)) {
            again.remove(part);
            for (Index index = part.begin; index < part.end; ++index)
                errors_.add({.failure = failure_of(index, 1, wire::FailureKind::cancelled,
                                                   "it was cancelled"),
                             .output = {}});
        }
    for (Range range : again.ranges()) {
        FANFOLD_CHECK(both_.covers(range));
        for (RangeSet* set : {&safe_, &failed_, &both_}) set->remove(range);
    }
    return again.ranges();
}

}  // namespace fanfold::broker
