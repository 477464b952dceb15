// Bodies that travel compressed (zstd), hop by hop: a message as a wrapper of it, and back. Which
// jobs ask for that. Functions: any thread. CompressedJobs: the thread that owns it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "shared/base/slice.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold {

/// The two frames of a Packed.
struct PackedFrames {
    std::string header;
    Slice body;
};

/// Wraps a message, if its body gets smaller by a tenth at least. A body that a sample shows to be
/// beyond compressing costs little.
std::optional<PackedFrames> pack(const std::string& header, std::string_view body);

/// The body of the wrapped message; an Error for anything but one whole zstd frame of exactly so
/// many bytes. What is claimed is checked against the limits, and against what such a frame can
/// hold, before memory is taken for it.
Result<Slice> unpack(const wire::Packed& packed, std::string_view body);

/// The jobs whose user asked for compression, as far as the messages told that passed by.
class CompressedJobs {
public:
    /// Of a message sent or received: a spec, or that the job is over.
    void learn(const wire::Message& message);
    /// Whether the message's body is of such a job's payloads or values.
    bool wants(const wire::Message& message) const;

private:
    void note(const JobId& job, const wire::JobSpec& spec);

    std::set<JobId> jobs_;
};

}  // namespace fanfold
