// Packs payloads into blocks: one body of MessagePack objects back to back, with the offsets at which it can be cut.
// Plain value; whoever holds it guards it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "shared/ids.hpp"
#include "shared/limits.hpp"
#include "shared/result.hpp"
#include "shared/slice.hpp"

namespace fanfold::scatterer {

/// A run of consecutive fragments, ready to be sent.
struct PackedBlock {
    Index first = 0;
    std::uint32_t count = 0;
    std::string cuts;  // offsets of fragments stride, 2·stride, … as in wire::Block, with stride = limits::cut_stride
    Slice body;
    std::string digest = {};  // of a job with a key: over all its payloads up to the end of this block
    Index end() const { return first + count; }
};

/// What is left of the block from fragment `from` on, which lies within it. An Error when its body is malformed.
Result<PackedBlock> rest_of(const PackedBlock& block, Index from);

class BlockBuilder {
public:
    struct Limits {
        std::uint64_t payload_bytes = limits::payload_bytes;
        std::uint64_t block_bytes = limits::block_bytes;
    };
    explicit BlockBuilder(Limits most) : most_(most) {}

    /// Whether a payload of so many bytes may join the block under way. An empty block takes any payload.
    bool has_room(std::size_t bytes) const {
        return count_ == 0 || (count_ < limits::block_fragments && body_.size() + bytes <= most_.block_bytes);
    }
    /// Adds one MessagePack object, for which has_room() was asked. Refuses one larger than a payload may be, naming index, size and limit.
    Result<void> add_packed(std::string_view object);
    /// The same for a text, which becomes a MessagePack str.
    Result<void> add_text(std::string_view text);
    /// The most bytes by which a text grows when it is packed.
    static constexpr std::size_t text_overhead = 5;

    bool empty() const { return count_ == 0; }
    /// The index of the fragment that is added next.
    Index next_index() const { return first_ + count_; }
    /// The block under way, which may be empty; the next one begins behind it.
    PackedBlock take();

private:
    void begin_fragment();
    tl::unexpected<Error> too_large(std::size_t bytes) const;

    Limits most_;
    Index first_ = 0;
    std::uint32_t count_ = 0;
    std::string body_;
    std::string cuts_;
    std::size_t expected_bytes_ = 0;  // the size of the block before
};

}  // namespace fanfold::scatterer
