#include "scatterer/block_builder.hpp"

#include <algorithm>
#include <utility>

#include "shared/codec.hpp"

namespace fanfold::scatterer {

namespace {
static_assert(limits::body_bytes <= UINT32_MAX, "cut offsets have 32 bits");

void append_cut(std::string& cuts, std::size_t offset) {
    auto value = static_cast<std::uint32_t>(offset);
    char bytes[4];
    for (unsigned i = 0; i < 4; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
    cuts.append(bytes, sizeof bytes);
}

/// Small texts, the common case, get their one byte of header here.
void append_text(std::string& body, std::string_view text) {
    if (text.size() < 32) {
        char bytes[32];
        bytes[0] = static_cast<char>(0xa0 | text.size());
        std::copy(text.begin(), text.end(), bytes + 1);
        body.append(bytes, text.size() + 1);
    } else {
        wire::append_text(body, text);
    }
}
}  // namespace

Result<PackedBlock> rest_of(const PackedBlock& block, Index from) {
    FANFOLD_CHECK(from >= block.first && from <= block.end());
    auto skipped = wire::objects_length(block.body.view(), from - block.first);
    if (!skipped) return fail("the block from fragment " + std::to_string(block.first) + " on is malformed");
    PackedBlock rest{.first = from,
                     .count = static_cast<std::uint32_t>(block.end() - from),
                     .cuts = {},
                     .body = block.body.sub(*skipped, block.body.size() - *skipped),
                     .digest = block.digest};
    std::size_t offset = 0;
    for (std::uint32_t at = limits::cut_stride; at < rest.count; at += limits::cut_stride) {
        auto step = wire::objects_length(rest.body.view().substr(offset), limits::cut_stride);
        if (!step) return fail("the block from fragment " + std::to_string(block.first) + " on is malformed");
        offset += *step;
        append_cut(rest.cuts, offset);
    }
    return rest;
}

void BlockBuilder::begin_fragment() {
    if (count_ > 0) {
        if (count_ % limits::cut_stride == 0) append_cut(cuts_, body_.size());
    } else {
        body_.reserve(std::min<std::size_t>(expected_bytes_, most_.block_bytes));
    }
    ++count_;
}

tl::unexpected<Error> BlockBuilder::too_large(std::size_t bytes) const {
    return fail("fragment " + std::to_string(next_index()) + ": its payload has " + std::to_string(bytes) +
                " bytes, the broker takes at most " + std::to_string(most_.payload_bytes) +
                "; split it, or pass the name of a file instead");
}

Result<void> BlockBuilder::add_packed(std::string_view object) {
    if (object.size() > most_.payload_bytes) return too_large(object.size());
    begin_fragment();
    body_.append(object);
    return {};
}

Result<void> BlockBuilder::add_text(std::string_view text) {
    if (text.size() + text_overhead > most_.payload_bytes) return too_large(text.size() + text_overhead);
    begin_fragment();
    append_text(body_, text);
    return {};
}

PackedBlock BlockBuilder::take() {
    expected_bytes_ = body_.size();
    PackedBlock block{.first = first_, .count = count_, .cuts = std::exchange(cuts_, {}), .body = Slice::take(std::exchange(body_, {}))};
    first_ += std::exchange(count_, 0);
    return block;
}

}  // namespace fanfold::scatterer
