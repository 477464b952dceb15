// The payloads of one job: blocks as they came, sliced without decoding. Owned by the broker's
// core, on its thread.
//
// Invariants:
// - a block is here until everything in it is safe; of a job that can be retried, one with failures
// stays longer;
// - its body is in memory, or in the store alone, from where it is fetched when it is wanted;
// - held_bytes() is the sum over the bodies in memory.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::broker {

/// Whether the block's cut offsets fit its count and body; the error names what does not.
Result<void> check_block(const wire::Block& block, const Slice& body);

/// One fragment's payload.
struct PayloadSize {
    Index index = 0;
    std::uint64_t bytes = 0;
};
/// A payload of more than so many bytes, if a block that check_block() passed has one. What is no
/// MessagePack counts as one payload.
std::optional<PayloadSize> payload_beyond(const wire::Block& block, const Slice& body,
                                          std::uint64_t most);

class Blocks {
public:
    /// Takes a block that check_block() passed and that begins where the last one ended.
    void add(const wire::Block& block, Slice body);

    /// The payloads of the range, which lies within one block in memory. Where the body is not the
    /// MessagePack that its header promises, the slice is cut at the nearest offsets that the
    /// header names, and the worker finds it malformed.
    Slice slice(Range range) const;

    /// The end of the block that the index is in.
    Index block_end(Index index) const;
    /// The mean size of a payload in the block that the index is in, in bytes.
    double mean_bytes(Index index) const;

    /// Marks the range as no longer needed, now or (with `retain`) until a retry. A block of which
    /// nothing is needed is freed. Returns the body bytes that count no more against the job's
    /// credit.
    std::uint64_t let_go(Range range, bool retain);
    /// The range, which was let go and is in blocks, is needed again. Returns the body bytes that
    /// count against the job's credit again.
    std::uint64_t need_again(Range range);
    /// The first fragments of blocks that were freed since it was last asked.
    std::vector<Index> take_freed() { return std::exchange(freed_, {}); }
    /// The job has ended: keeps only the blocks with fragments that are not safe.
    void retain(const RangeSet& safe);
    /// A retry: every fragment is needed again that is not safe. Returns the body bytes of these
    /// blocks.
    std::uint64_t reopen(const RangeSet& safe);
    void clear() { blocks_.clear(), held_bytes_ = bytes_ = 0; }
    bool empty() const { return blocks_.empty(); }
    /// Whether each of the fragments is in a block.
    bool covers(const std::vector<Range>& ranges) const;

    /// Of all bodies, in memory and in the store alone.
    std::uint64_t bytes() const { return bytes_; }

    // --- memory
    std::uint64_t held_bytes() const { return held_bytes_; }
    bool in_memory(Index index) const { return at(index)->second.in_memory; }
    /// Lets the body of the block go, which the store has.
    void spill(Index first);
    void spill_block_of(Index index) { spill(at(index)->second); }
    void spill_all();
    /// The same for blocks from the end on but one, until so many bytes are free, or none is left.
    void spill_from_end(std::uint64_t bytes, std::optional<Index> but);
    /// Blocks to fetch, by their first fragments: those from the index's on that are not in memory
    /// nor on their way, `count` at most.
    std::vector<Index> prefetch(Index index, std::size_t count);
    /// Whether the block is on its way.
    bool awaits(Index first) const;
    /// One that was awaited; false when it is not what was accepted.
    bool put_back(wire::Block header, Slice body);

private:
    struct Block {
        std::uint32_t count = 0;
        std::uint32_t stride = 1;
        std::uint32_t let_go = 0;  // fragments
        bool retained = false;     // some of them failed
        bool in_memory = true;
        bool on_its_way = false;  // from the store
        std::uint64_t bytes = 0;  // of the body
        std::string cuts;
        Slice body;
    };
    using Map = std::map<Index, Block>;  // by the first index
    Map::const_iterator at(Index index) const;
    Map::iterator at(Index index);
    static std::size_t offset(const Block& block, std::uint32_t fragment);
    void spill(Block& block);
    Map::iterator erase(Map::iterator block);

    Map blocks_;
    std::vector<Index> freed_;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace fanfold::broker
