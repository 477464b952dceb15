// What stores keep, and how shells and cores speak of it. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"

namespace fanfold {

/// One change: a row is named by its job, its kind (the component's own numbering) and a number
/// (often the first fragment's index).
struct Record {
    enum class Change : std::uint8_t {
        put,        // the row is this from now on
        erase,      // it is gone
        erase_job,  // all rows of the job are gone
    };
    Change change = Change::put;
    JobId job;
    std::uint8_t kind = 0;
    std::uint64_t number = 0;
    std::string data = {};  // small: a header, in MessagePack
    Slice body = {};        // large: payloads or values
};

/// Counts the records appended since the store was opened; a ticket covers all up to it.
using Ticket = std::uint64_t;

/// A core whose memory is smaller than what it keeps asks for a row that it has written (an
/// action).
struct Fetch {
    JobId job;
    std::uint8_t kind = 0;
    std::uint64_t number = 0;
};
/// The row that was asked for, as it was appended last (an event).
struct Fetched {
    Record record;
    bool sound = true;  // else there is no such row, or it is damaged; the record is its name alone
};
/// Records have become safe; so many bytes of bodies still wait for that (an event).
struct Committed {
    std::uint64_t waiting_bytes = 0;
};

}  // namespace fanfold
