#include "scatterer/core/block_builder.hpp"

#include <optional>
#include <utility>

#include "shared/wire/codec.hpp"

namespace fanfold::scatterer {

namespace {
static_assert(limits::body_bytes <= UINT32_MAX, "cut offsets have 32 bits");

void append_cut(std::string& cuts, std::size_t offset) {
    auto value = static_cast<std::uint32_t>(offset);
    char bytes[4];
    for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
    cuts.append(bytes, sizeof bytes);
}

/// The cuts of a body of so many objects; nothing when it is malformed.
std::optional<std::string> cuts_of(std::string_view body, std::uint32_t count) {
    std::string cuts;
    std::size_t offset = 0;
    for (std::uint32_t at = limits::cut_stride; at < count; at += limits::cut_stride) {
        auto step = wire::objects_length(body.substr(offset), limits::cut_stride);
        if (!step) return std::nullopt;
        offset += *step;
        append_cut(cuts, offset);
    }
    return cuts;
}

/// Writes a text's MessagePack header; small texts, the common case, have one byte.
char* put_text_header(char* at, std::size_t size) {
    auto put = [&at](unsigned tag, std::size_t value, unsigned bytes) {
        *at++ = static_cast<char>(tag);
        for (unsigned i = bytes; i-- > 0;) *at++ = static_cast<char>(value >> (8 * i));
    };
    if (size < 32) put(0xa0 | static_cast<unsigned>(size), 0, 0);
    else if (size < 1u << 8) put(0xd9, size, 1);
    else if (size < 1u << 16) put(0xda, size, 2);
    else put(0xdb, size, 4);
    return at;
}
}  // namespace

Result<PackedBlock> rest_of(const PackedBlock& block, Index from) {
    FANFOLD_CHECK(from >= block.first && from <= block.end());
    auto skipped = wire::objects_length(block.body.view(), from - block.first);
    if (!skipped)
        return fail("the block from fragment " + std::to_string(block.first) + " on is malformed");
    PackedBlock rest{.first = from,
                     .count = static_cast<std::uint32_t>(block.end() - from),
                     .cuts = {},
                     .body = block.body.sub(*skipped, block.body.size() - *skipped),
                     .digest = block.digest};
    auto cuts = cuts_of(rest.body.view(), rest.count);
    if (!cuts)
        return fail("the block from fragment " + std::to_string(block.first) + " on is malformed");
    rest.cuts = std::move(*cuts);
    return rest;
}

void BlockBuilder::add_cut() { append_cut(cuts_, size_); }

void BlockBuilder::grow(std::size_t bytes) {
    if (fits(bytes) || bytes > most_.payload_bytes) return;
    std::size_t wanted = capacity_ == 0 ? expected_bytes_ + expected_bytes_ / 8 : 2 * capacity_;
    std::size_t capacity = std::max({std::min<std::size_t>(wanted, most_.block_bytes),
                                     size_ + bytes, limits::least_block_capacity});
    auto larger = std::make_shared_for_overwrite<char[]>(capacity);
    std::copy(bytes_.get(), bytes_.get() + size_, larger.get());
    bytes_ = std::move(larger);
    capacity_ = capacity;
}

tl::unexpected<Error> BlockBuilder::too_large(std::size_t bytes) const {
    return fail("fragment " + std::to_string(next_index() + 1) + ": its payload has " +
                std::to_string(bytes) + " bytes, the broker takes at most " +
                std::to_string(most_.payload_bytes) +
                "; split it, or pass the name of a file instead");
}

Result<void> BlockBuilder::add_text(std::string_view text) {
    if (text.size() + text_overhead > most_.payload_bytes)
        return too_large(text.size() + text_overhead);
    char* at = put_text_header(begin_fragment(text.size() + text_overhead), text.size());
    end_fragment(std::copy(text.begin(), text.end(), at));
    return {};
}

/// From what was taken to here.
PackedBlock BlockBuilder::part(std::uint32_t count, std::size_t size) {
    std::string_view body(bytes_.get() + taken_size_, size - taken_size_);
    return {.first = first_ + taken_count_,
            .count = count - taken_count_,
            .cuts = {},
            .body = Slice::share(bytes_, body)};
}

PackedBlock BlockBuilder::take() {
    PackedBlock block = part(count_, size_);
    bool whole = taken_count_ == 0;
    block.cuts = whole ? std::exchange(cuts_, {}) : cuts_of(block.body.view(), block.count).value();
    cuts_.clear();
    if (size_ > 0) expected_bytes_ = size_;
    first_ += std::exchange(count_, 0);
    bytes_.reset();
    size_ = capacity_ = taken_size_ = 0;
    taken_count_ = 0;
    published_.store(0, std::memory_order_relaxed);
    return block;
}

PackedBlock BlockBuilder::take_lying() {
    std::uint64_t word = published_.load(std::memory_order_acquire);
    PackedBlock block = part(count_of(word), size_of(word));
    block.cuts = cuts_of(block.body.view(), block.count).value();
    taken_count_ = count_of(word);
    taken_size_ = size_of(word);
    return block;
}

}  // namespace fanfold::scatterer
