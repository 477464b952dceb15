// The rows in which a gatherer keeps its jobs (shared/store/store.hpp). Each holds a message in its
// wire form (shared/wire/codec.hpp), so the rule of versions in shared/wire/messages.hpp is theirs
// as well; numbers are never used again for something else. They are read in this order, which is
// the order of the kinds. After a cut at any record, what is left is a state in which the gatherer
// was, or one that the next step makes good.
#pragma once

#include <cstdint>

namespace fanfold::gatherer {

enum class Row : std::uint8_t {
    broker = 1,    // Welcome, of no job: the life of the broker that was known last
    job = 2,       // Assign; number: milliseconds since 1970 of the assignment, at which the spec's
                   // deadline began
    sequence = 3,  // Acknowledge: so many entries were stored: 0: before the last let_go row; other
                   // numbers: before the round of that number
    let_go = 4,    // Gathered: fragments that are received and no longer held; number: see LetGo
    entry = 5,  // Values with their body, or Failures with one failure and its outputs; number: the
                // entry's sequence
    proposal = 6,  // Propose; number: twice the round, and 1 more when the values are let go of
    outcome = 7,   // Concluded; number: the round
    answered = 8,  // Ended: the broker knows the outcome; number: the round
    orphaned = 9,  // Forget: the broker lost its memory; number: milliseconds since 1970 of that
};

/// What kind of fragments a let_go row lists: number % count. A row holds a limited number of
/// ranges, the next has number + count.
enum class LetGo : std::uint8_t {
    values = 0,
    failed = 1,  // and the other kinds of failures, as wire::FailureKind numbers them
    timeout = 2,
    crashed = 3,
    cancelled = 4,
    abandoned = 5,  // values that nobody saw
    count = 6,
};

}  // namespace fanfold::gatherer
