// Packs payloads into blocks: one body of MessagePack objects back to back, with the offsets at
// which it can be cut.
//
// It belongs to the thread that adds. Another thread may take what lies in it meanwhile, and does
// not keep the first one from adding: what was added is published fragment by fragment, and never
// changes.
//
// Invariants:
// - the bytes before the published end are never written again;
// - the buffer is exchanged, and a block taken, under one lock, which the owner of this object has;
//   add_*() needs it only where fits() is false.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "scatterer/limits.hpp"
#include "shared/base/ids.hpp"
#include "shared/base/result.hpp"
#include "shared/base/slice.hpp"

namespace fanfold::scatterer {

/// A run of consecutive fragments, ready to be sent.
struct PackedBlock {
    Index first = 0;
    std::uint32_t count = 0;
    std::string cuts;  // offsets of fragments stride, 2·stride, … as in wire::Block, with stride =
                       // limits::cut_stride
    Slice body;
    std::string digest =
        {};  // of a job with a key: over all its payloads up to the end of this block
    Index end() const { return first + count; }
};

/// What is left of the block from fragment `from` on, which lies within it. An Error when its body
/// is malformed.
Result<PackedBlock> rest_of(const PackedBlock& block, Index from);

class BlockBuilder {
public:
    struct Limits {
        std::uint64_t payload_bytes = limits::payload_bytes;
        std::uint64_t block_bytes = limits::block_bytes;
    };
    explicit BlockBuilder(Limits most) : most_(most) {}

    // --- the thread that adds
    /// Whether a payload of so many bytes may join the block under way. An empty block takes any
    /// payload.
    bool has_room(std::size_t bytes) const {
        return count_ == 0 ||
               (count_ < limits::block_fragments && size_ + bytes <= most_.block_bytes);
    }
    /// Whether it can be added without the lock.
    bool fits(std::size_t bytes) const { return bytes <= capacity_ - size_; }
    /// Adds one MessagePack object, for which has_room() was asked. Refuses one larger than a
    /// payload may be, naming index, size and limit.
    Result<void> add_packed(std::string_view object) {
        if (object.size() > most_.payload_bytes) return too_large(object.size());
        char* at = begin_fragment(object.size());
        end_fragment(std::copy(object.begin(), object.end(), at));
        return {};
    }
    /// Adds a text as one MessagePack str; otherwise as add_packed().
    Result<void> add_text(std::string_view text);
    /// The most bytes by which a text grows when it is packed.
    static constexpr std::size_t text_overhead = 5;
    /// The index of the fragment that is added next.
    Index next_index() const { return first_ + count_; }

    // --- the thread that adds, with the lock
    /// Makes fits(bytes) true for what a payload may have.
    void grow(std::size_t bytes);
    /// Nothing was added that was not taken.
    bool empty() const { return count_ == taken_count_; }
    /// What was added and not taken, which may be nothing; the next block begins behind it.
    PackedBlock take();

    // --- any thread, with the lock
    /// The first fragment that was not taken, and the end of those that are known to be added.
    Index first_lying() const { return first_ + taken_count_; }
    Index end_lying() const {
        return first_ + count_of(published_.load(std::memory_order_acquire));
    }
    /// What is known to be added and was not taken; the block under way goes on behind it.
    PackedBlock take_lying();

private:
    /// Count and bytes of what was added to the block under way, in one word.
    static std::uint64_t published(std::uint32_t count, std::size_t size) {
        return std::uint64_t{size} << 32 | count;
    }
    static std::uint32_t count_of(std::uint64_t word) { return static_cast<std::uint32_t>(word); }
    static std::size_t size_of(std::uint64_t word) { return word >> 32; }

    char* begin_fragment(std::size_t bytes) {
        if (!fits(bytes)) grow(bytes);
        if (count_ % limits::cut_stride == 0 && count_ > 0) add_cut();
        return bytes_.get() + size_;
    }
    void end_fragment(const char* end) {
        size_ = static_cast<std::size_t>(end - bytes_.get());
        published_.store(published(++count_, size_), std::memory_order_release);
    }
    void add_cut();
    PackedBlock part(std::uint32_t count, std::size_t size);
    tl::unexpected<Error> too_large(std::size_t bytes) const;

    const Limits most_;

    // The adding thread's own.
    std::uint32_t count_ = 0;
    std::size_t size_ = 0;
    std::string cuts_;
    std::size_t expected_bytes_ = 0;  // the size of the block before

    // Changed by that thread, with the lock; it reads them without.
    std::shared_ptr<char[]> bytes_;
    std::size_t capacity_ = 0;
    Index first_ = 0;

    std::atomic<std::uint64_t> published_ = 0;

    // With the lock.
    std::uint32_t taken_count_ = 0;  // of the block under way: taken by take_lying()
    std::size_t taken_size_ = 0;
};

}  // namespace fanfold::scatterer
