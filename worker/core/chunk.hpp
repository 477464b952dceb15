// Fragments of one job with their payloads, as a worker has them on loan. A plain value.
#pragma once

#include <cstdint>
#include <optional>

#include "shared/base/range_set.hpp"
#include "shared/base/slice.hpp"

namespace fanfold::worker {

/// The objects [skip, skip + count) of a body that holds objects back to back, `total` of them;
/// nothing if they are not there.
struct ObjectCut {
    std::uint64_t total = 0;
    std::uint64_t skip = 0;
    std::uint64_t count = 0;
};
std::optional<Slice> cut_objects(const Slice& body, ObjectCut cut);

struct Chunk {
    JobId job;
    Range range;
    std::uint32_t attempt = 1;
    Slice body;

    /// The payloads of a part of it; nothing if they are not there.
    std::optional<Slice> payloads_of(Range part) const {
        return cut_objects(
            body, {.total = range.size(), .skip = part.begin - range.begin, .count = part.size()});
    }
};

}  // namespace fanfold::worker
