#include "worker/handlers/value_buffer.hpp"

#include <algorithm>
#include <utility>

#include "shared/base/result.hpp"

namespace fanfold::worker {

void ValueBuffer::begin(Index first, std::size_t expected) {
    bytes_.clear();
    expected_ = std::clamp(expected, limits::value_room, limits::block_bytes);
    first_ = first;
    taken_count_ = 0;
    taken_bytes_ = 0;
    progress_.store(0, std::memory_order_release);
}

ValueBuffer::Added ValueBuffer::add_before_close(std::string_view value) {
    if (!has_room(value.size())) return Added::no_room;
    std::uint64_t before = progress_.load(std::memory_order_relaxed) & ~closed_bit;
    bytes_.append(value);
    // When it is closed the bytes behind what is published are nobody's.
    bool open = progress_.compare_exchange_strong(before, after(before, value.size()),
                                                  std::memory_order_acq_rel);
    return open ? Added::yes : Added::closed;
}

void ValueBuffer::add_with_room(std::string& value) {
    std::uint64_t before = progress_.load(std::memory_order_relaxed);
    FANFOLD_CHECK((before & closed_bit) == 0 && count_of(before) < most_values);
    std::size_t size = value.size();
    if (bytes_.empty() && size >= limits::worth_moving && size >= value.capacity() / 2) {
        bytes_ = std::move(value);
    } else {
        if (bytes_.capacity() < bytes_.size() + size)
            bytes_.reserve(std::max(expected_, 2 * bytes_.size() + size));
        bytes_.append(value);
    }
    progress_.store(after(before, size), std::memory_order_release);
}

bool ValueBuffer::close_at(Index index) {
    std::uint64_t before = progress_.load(std::memory_order_acquire);
    if (first_ + count_of(before) != index) return false;
    return progress_.compare_exchange_strong(before, before | closed_bit,
                                             std::memory_order_acq_rel);
}

ValueBuffer::Part ValueBuffer::take_copy() {
    std::uint64_t progress = progress_.load(std::memory_order_acquire);
    Part part{
        .first = first_ + taken_count_,
        .count = count_of(progress) - taken_count_,
        .body = Slice::copy({bytes_.data() + taken_bytes_, bytes_of(progress) - taken_bytes_})};
    taken_count_ = count_of(progress);
    taken_bytes_ = bytes_of(progress);
    return part;
}

ValueBuffer::Part ValueBuffer::take_all(Index next_first) {
    // Only a buffer that is well filled goes away as it is: what is kept of results must not be
    // mostly room.
    bool whole = taken_bytes_ == 0 && bytes_.size() >= bytes_.capacity() / 2;
    Part part = whole ? Part{.first = first_ + taken_count_,
                             .count = waiting(),
                             .body = Slice::take(std::move(bytes_))}
                      : take_copy();
    begin(next_first, expected_);
    return part;
}

}  // namespace fanfold::worker
