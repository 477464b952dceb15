// The broker's rows in its store. What they hold are messages in their wire form. A job's rows are
// read in the order of their kinds.
#pragma once

#include <cstdint>

namespace fanfold::broker {

enum class Row : std::uint8_t {
    job = 1,  // Block with the spec and the token, no fragments; number: milliseconds since 1970 of
              // its opening
    owner =
        2,  // Hello: the life of the client that submits it; as its name: the user whose job it is
    located = 3,   // Located: who gathers it
    block = 4,     // Block, its payloads in the body; number: its first fragment
    total = 5,     // Seal
    error = 6,     // Errors with one final failure, its output in the body; number: the fragment
    safe = 7,      // Gathered: ranges that the gatherer has; number: 0, and 1 more for each further
                   // 10,000 ranges
    accepted = 8,  // Found: how far it is accepted, the bytes of all payloads so far, their digest
    ended = 9,     // Ended; number: milliseconds since 1970
    round = 10,    // Retried; number: milliseconds since 1970 of that
    tried = 12,    // Errors with one failure, that of a fragment which is queued again. attempt:
                 // attempts so far; exit_code: those that failed; signal: those in which it killed
                 // its worker, alone; number: the fragment
    forgotten = 11,  // Located, of a job that has no other row: the gatherer that is to forget it
    share = 13,      // Adjusted, once it was
};

}  // namespace fanfold::broker
