#include "broker/books/blocks.hpp"

#include <algorithm>
#include <iterator>

#include "broker/base/limits.hpp"
#include "shared/wire/codec.hpp"

namespace fanfold::broker {

namespace {
std::size_t cut_count(std::uint32_t count, std::uint32_t stride) {
    return count == 0 ? 0 : (count - 1) / stride;
}

/// The byte offset of fragment (number + 1) · stride.
std::size_t cut_at(const std::string& cuts, std::size_t number) {
    std::size_t value = 0;
    for (std::size_t i = 4; i-- > 0;)
        value = value << 8 | static_cast<unsigned char>(cuts[number * 4 + i]);
    return value;
}
}  // namespace

Result<void> check_block(const wire::Block& block, const Slice& body) {
    if (block.count > limits::block_fragments)
        return fail("a block of " + std::to_string(block.count) + " fragments is past the limit");
    if (block.first + block.count < block.first) return fail("the block's indices overflow");
    if (block.count == 0)
        return body.empty() ? Result<void>{} : fail("a block without fragments has a body");
    if (block.stride == 0) return fail("a block's stride is 0");
    if (block.cuts.size() != 4 * cut_count(block.count, block.stride))
        return fail("the block's cut offsets don't fit its count");
    std::size_t last = 0;
    for (std::size_t i = 0; i < block.cuts.size() / 4; ++i) {
        std::size_t cut = cut_at(block.cuts, i);
        if (cut < last || cut > body.size())
            return fail("the block's cut offsets don't fit its body");
        last = cut;
    }
    if (body.size() > limits::body_bytes)
        return fail("a body of " + std::to_string(body.size()) + " bytes is past the limit");
    return {};
}

std::optional<PayloadSize> payload_beyond(const wire::Block& block, const Slice& body,
                                          std::uint64_t most) {
    if (body.size() <= most) return {};
    for (std::uint32_t cut = 0; cut <= block.cuts.size() / 4; ++cut) {
        std::size_t at = cut == 0 ? 0 : cut_at(block.cuts, cut - 1);
        std::size_t end = cut < block.cuts.size() / 4 ? cut_at(block.cuts, cut) : body.size();
        Index index = block.first + Index{cut} * block.stride;
        for (Index last = index; end - at > most; ++index) {
            auto length = wire::object_length(body.view().substr(at, end - at));
            std::size_t bytes =
                length && *length > 0 && index - last < block.stride ? *length : end - at;
            if (bytes > most) return PayloadSize{.index = index, .bytes = bytes};
            at += bytes;
        }
    }
    return {};
}

void Blocks::add(const wire::Block& block, Slice body) {
    if (block.count == 0) return;
    held_bytes_ += body.size();
    bytes_ += body.size();
    std::uint64_t bytes = body.size();
    blocks_.emplace_hint(blocks_.end(), block.first,
                         Block{.count = block.count,
                               .stride = block.stride,
                               .bytes = bytes,
                               .cuts = block.cuts,
                               .body = std::move(body)});
}

Blocks::Map::iterator Blocks::at(Index index) {
    auto it = blocks_.upper_bound(index);
    FANFOLD_CHECK(it != blocks_.begin());
    --it;
    FANFOLD_CHECK(index < it->first + it->second.count);
    return it;
}

Blocks::Map::const_iterator Blocks::at(Index index) const {
    return const_cast<Blocks*>(this)->at(index);
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
    FANFOLD_CHECK(range.end <= first + block.count && block.in_memory);
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
    return static_cast<double>(block.bytes) / block.count;
}

Blocks::Map::iterator Blocks::erase(Map::iterator block) {
    if (block->second.in_memory) held_bytes_ -= block->second.bytes;
    bytes_ -= block->second.bytes;
    freed_.push_back(block->first);
    return blocks_.erase(block);
}

std::uint64_t Blocks::let_go(Range range, bool retain) {
    std::uint64_t freed = 0;
    while (!range.empty() && !blocks_.empty()) {
        auto it = at(range.begin);
        auto& [first, block] = *it;
        Range part = overlap(range, {first, first + block.count});
        range.begin = part.end;
        block.let_go += static_cast<std::uint32_t>(part.size());
        block.retained = block.retained || retain;
        FANFOLD_CHECK(block.let_go <= block.count);
        if (block.let_go < block.count) continue;
        freed += block.bytes;
        if (!block.retained) erase(it);
    }
    return freed;
}

std::uint64_t Blocks::need_again(Range range) {
    std::uint64_t needed = 0;
    while (!range.empty()) {
        auto& [first, block] = *at(range.begin);
        Range part = overlap(range, {first, first + block.count});
        range.begin = part.end;
        FANFOLD_CHECK(block.let_go >= part.size());
        if (block.let_go == block.count) needed += block.bytes;
        block.let_go -= static_cast<std::uint32_t>(part.size());
    }
    return needed;
}

void Blocks::retain(const RangeSet& safe) {
    for (auto it = blocks_.begin(); it != blocks_.end();)
        it = safe.covers({it->first, it->first + it->second.count}) ? erase(it) : std::next(it);
}

std::uint64_t Blocks::reopen(const RangeSet& safe) {
    std::uint64_t needed = 0;
    for (auto& [first, block] : blocks_) {
        block.let_go = 0;
        block.retained = false;
        block.on_its_way = false;
        for (Range range : safe.within({first, first + block.count}))
            block.let_go += static_cast<std::uint32_t>(range.size());
        needed += block.bytes;
    }
    return needed;
}

bool Blocks::covers(const std::vector<Range>& ranges) const {
    for (Range range : ranges) {
        while (!range.empty()) {
            auto it = blocks_.upper_bound(range.begin);
            if (it == blocks_.begin()) return false;
            --it;
            if (range.begin >= it->first + it->second.count) return false;
            range.begin = it->first + it->second.count;
        }
    }
    return true;
}

void Blocks::spill(Block& block) {
    if (!std::exchange(block.in_memory, false)) return;
    held_bytes_ -= block.bytes;
    block.body = {};
    block.cuts = {};
}

void Blocks::spill(Index first) {
    if (auto it = blocks_.find(first); it != blocks_.end()) spill(it->second);
}

void Blocks::spill_all() {
    for (auto& [first, block] : blocks_) spill(block);
}

void Blocks::spill_from_end(std::uint64_t bytes, std::optional<Index> but) {
    std::uint64_t aim = held_bytes_ - std::min(held_bytes_, bytes);
    for (auto it = blocks_.rbegin(); it != blocks_.rend() && held_bytes_ > aim; ++it)
        if (it->first != but) spill(it->second);
}

std::vector<Index> Blocks::prefetch(Index index, std::size_t count) {
    std::vector<Index> wanted;
    for (auto it = at(index); it != blocks_.end() && count > 0; ++it, --count) {
        Block& block = it->second;
        if (block.in_memory || block.let_go == block.count || std::exchange(block.on_its_way, true))
            continue;
        wanted.push_back(it->first);
    }
    return wanted;
}

bool Blocks::awaits(Index first) const {
    auto it = blocks_.find(first);
    return it != blocks_.end() && it->second.on_its_way;
}

bool Blocks::put_back(wire::Block header, Slice body) {
    auto it = blocks_.find(header.first);
    if (it == blocks_.end()) return false;
    Block& block = it->second;
    if (header.count != block.count || body.size() != block.bytes) return false;
    block.on_its_way = false;
    if (std::exchange(block.in_memory, true)) return true;
    block.cuts = std::move(header.cuts);
    block.body = std::move(body);
    held_bytes_ += block.bytes;
    return true;
}

}  // namespace fanfold::broker
