#include "broker/blocks.hpp"

#include <algorithm>
#include <iterator>

#include "shared/codec.hpp"
#include "shared/limits.hpp"

namespace fanfold::broker {

namespace {
std::size_t cut_count(std::uint32_t count, std::uint32_t stride) { return count == 0 ? 0 : (count - 1) / stride; }

/// The byte offset of fragment (number + 1) · stride.
std::size_t cut_at(const std::string& cuts, std::size_t number) {
    std::size_t value = 0;
    for (std::size_t i = 4; i-- > 0;) value = value << 8 | static_cast<unsigned char>(cuts[number * 4 + i]);
    return value;
}
}  // namespace

Result<void> check_block(const wire::Block& block, const Slice& body) {
    if (block.count > limits::block_fragments) return fail("a block of " + std::to_string(block.count) + " fragments is past the limit");
    if (block.first + block.count < block.first) return fail("the block's indices overflow");
    if (block.count == 0) return body.empty() ? Result<void>{} : fail("a block without fragments has a body");
    if (block.stride == 0) return fail("a block's stride is 0");
    if (block.cuts.size() != 4 * cut_count(block.count, block.stride)) return fail("the block's cut offsets don't fit its count");
    std::size_t last = 0;
    for (std::size_t i = 0; i < block.cuts.size() / 4; ++i) {
        std::size_t cut = cut_at(block.cuts, i);
        if (cut < last || cut > body.size()) return fail("the block's cut offsets don't fit its body");
        last = cut;
    }
    if (body.size() > limits::body_bytes) return fail("a body of " + std::to_string(body.size()) + " bytes is past the limit");
    return {};
}

void Blocks::add(const wire::Block& block, Slice body) {
    if (block.count == 0) return;
    blocks_.emplace_hint(blocks_.end(), block.first,
                         Block{.count = block.count, .stride = block.stride, .let_go = 0, .cuts = block.cuts, .body = std::move(body)});
}

std::map<Index, Blocks::Block>::const_iterator Blocks::at(Index index) const {
    auto it = blocks_.upper_bound(index);
    FANFOLD_CHECK(it != blocks_.begin());
    --it;
    FANFOLD_CHECK(index < it->first + it->second.count);
    return it;
}

std::size_t Blocks::offset(const Block& block, std::uint32_t fragment) {
    if (fragment >= block.count) return block.body.size();
    std::uint32_t cut = fragment / block.stride;
    std::size_t start = cut == 0 ? 0 : cut_at(block.cuts, cut - 1);
    auto walked = wire::objects_length(block.body.view().substr(start), fragment % block.stride);
    return walked ? start + *walked : start;
}

Slice Blocks::slice(Range range) const {
    auto it = at(range.begin);
    const auto& [first, block] = *it;
    FANFOLD_CHECK(range.end <= first + block.count);
    std::size_t begin = offset(block, static_cast<std::uint32_t>(range.begin - first));
    std::size_t end = offset(block, static_cast<std::uint32_t>(range.end - first));
    return block.body.sub(begin, std::max(begin, end) - begin);
}

Index Blocks::block_end(Index index) const {
    auto it = at(index);
    return it->first + it->second.count;
}

double Blocks::mean_bytes(Index index) const {
    const Block& block = at(index)->second;
    return static_cast<double>(block.body.size()) / block.count;
}

std::uint64_t Blocks::let_go(Range range) {
    std::uint64_t freed = 0;
    while (!range.empty() && !blocks_.empty()) {
        auto it = blocks_.upper_bound(range.begin);
        FANFOLD_CHECK(it != blocks_.begin());
        --it;
        Range part = overlap(range, {it->first, it->first + it->second.count});
        FANFOLD_CHECK(!part.empty());
        it->second.let_go += static_cast<std::uint32_t>(part.size());
        FANFOLD_CHECK(it->second.let_go <= it->second.count);
        if (it->second.let_go == it->second.count) {
            freed += it->second.body.size();
            freed_.push_back(it->first);
            blocks_.erase(it);
        }
        range.begin = part.end;
    }
    return freed;
}

}  // namespace fanfold::broker
