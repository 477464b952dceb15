// The values of consecutive fragments: appended by the thread that runs them, taken by another
// while it goes on.
//
// Threads: add() and add_before_close() belong to the thread that runs, and need no lock: they
// append within the capacity that is there, and publish by one atomic word how far they have come.
// What is published does not move or change. Everything else is called with the owner's mutex held;
// take_all(), add_with_room() and begin() by the running thread only.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/base/ids.hpp"
#include "shared/base/slice.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

class ValueBuffer {
public:
    struct Part {
        Index first = 0;
        std::uint32_t count = 0;
        Slice body;
    };

    /// Empty, for values from `first` on, of which so many bytes are expected.
    void begin(Index first, std::size_t expected);

    /// Appends the value of the next fragment; false, and nothing has happened, when there is no
    /// room for it. There is never room for more than limits::block_bytes.
    bool add(std::string_view value) {
        if (!has_room(value.size())) return false;
        bytes_.append(value);
        progress_.store(after(progress_.load(std::memory_order_relaxed), value.size()),
                        std::memory_order_release);
        return true;
    }
    enum class Added : std::uint8_t { yes, no_room, closed };
    /// The same, unless close_at() came before.
    Added add_before_close(std::string_view value);
    /// The same where there was no room, which is made by reserving more. A large value is moved.
    void add_with_room(std::string& value);

    /// The fragment that follows those whose values are here or taken.
    Index next() const { return first_ + count_of(progress_.load(std::memory_order_acquire)); }
    /// Values that are here and not taken.
    std::uint32_t waiting() const {
        return count_of(progress_.load(std::memory_order_acquire)) - taken_count_;
    }
    /// Bytes that it holds, taken ones too.
    std::size_t size() const { return bytes_of(progress_.load(std::memory_order_acquire)); }

    /// Lets no more value in, provided that the next is still the one of this fragment.
    bool close_at(Index index);

    /// A copy of what waits, while the running thread goes on.
    Part take_copy();
    /// What waits; the next value is that of `next_first`.
    Part take_all(Index next_first);

private:
    // The word: whether it is closed, then how many values, then how many bytes.
    static constexpr unsigned byte_bits = 40;
    static constexpr unsigned count_bits = 23;
    static constexpr std::uint64_t closed_bit = std::uint64_t{1} << 63;
    static constexpr std::uint32_t most_values = (1u << count_bits) - 1;
    static_assert(limits::block_bytes < most_values, "a value has a byte at least");
    static_assert(limits::block_bytes + limits::payload_bytes < std::uint64_t{1} << byte_bits);

    static std::uint32_t count_of(std::uint64_t progress) {
        return static_cast<std::uint32_t>(progress >> byte_bits) & most_values;
    }
    static std::size_t bytes_of(std::uint64_t progress) {
        return progress & ((std::uint64_t{1} << byte_bits) - 1);
    }
    static std::uint64_t after(std::uint64_t progress, std::size_t value) {
        return progress + (std::uint64_t{1} << byte_bits) + value;
    }
    bool has_room(std::size_t value) const {
        return bytes_.size() + value <= std::min(bytes_.capacity(), limits::block_bytes);
    }

    std::atomic<std::uint64_t> progress_{0};
    std::string bytes_;  // never grows past its capacity but in add_with_room()
    std::size_t expected_ = 0;
    Index first_ = 0;  // of the value at the front of bytes_
    std::uint32_t taken_count_ = 0;
    std::size_t taken_bytes_ = 0;
};

}  // namespace fanfold::worker
