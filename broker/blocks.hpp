// The payloads of one job: blocks as they came, sliced without decoding. Owned by the broker's core, on its thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "shared/messages.hpp"
#include "shared/range_set.hpp"
#include "shared/result.hpp"
#include "shared/slice.hpp"

namespace fanfold::broker {

/// Whether the block's cut offsets fit its count and body; the error names what does not.
Result<void> check_block(const wire::Block& block, const Slice& body);

class Blocks {
public:
    /// Takes a block that check_block() passed and that begins where the last one ended.
    void add(const wire::Block& block, Slice body);

    /// The payloads of the range, which lies within one block. Where the body is not the MessagePack that its header promises, the slice
    /// is cut at the nearest offsets that the header names, and the worker finds it malformed.
    Slice slice(Range range) const;

    /// The end of the block that the index is in.
    Index block_end(Index index) const;
    /// The mean size of a payload in the block that the index is in, in bytes.
    double mean_bytes(Index index) const;

    /// Marks the range as no longer needed; a block of which nothing is needed is freed. Returns the body bytes freed.
    std::uint64_t let_go(Range range);
    /// The first fragments of blocks that were freed since it was last asked.
    std::vector<Index> take_freed() { return std::exchange(freed_, {}); }
    void clear() { blocks_.clear(); }
    bool empty() const { return blocks_.empty(); }

private:
    struct Block {
        std::uint32_t count = 0;
        std::uint32_t stride = 1;
        std::uint32_t let_go = 0;
        std::string cuts;
        Slice body;
    };
    std::map<Index, Block>::const_iterator at(Index index) const;
    static std::size_t offset(const Block& block, std::uint32_t fragment);

    std::map<Index, Block> blocks_;  // by the first index
    std::vector<Index> freed_;
};

}  // namespace fanfold::broker
