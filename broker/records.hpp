// The broker's rows in its store. What they hold are messages in their wire form. A job's rows are read in the order of their kinds.
#pragma once

#include <cstdint>

namespace fanfold::broker {

enum class Row : std::uint8_t {
    job = 1,      // Block with the spec and the token, no fragments; number: milliseconds since 1970 of its opening
    owner = 2,    // nothing; number: the incarnation of the client that opened it
    located = 3,  // Located: who gathers it
    block = 4,    // Block, its payloads in the body; number: its first fragment
    total = 5,    // Seal
    error = 6,    // Errors with one final failure, its output in the body; number: the fragment
    safe = 7,     // Gathered: all ranges that the gatherer has
    ended = 8,    // Ended; number: milliseconds since 1970
};

}  // namespace fanfold::broker
