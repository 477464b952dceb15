#include "scatterer/core/block_builder.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <vector>

#include "shared/wire/codec.hpp"

using namespace fanfold;
using scatterer::BlockBuilder;
using scatterer::PackedBlock;

namespace {

std::vector<std::uint32_t> cuts_of(const PackedBlock& block) {
    std::vector<std::uint32_t> cuts;
    for (std::size_t at = 0; at < block.cuts.size(); at += 4) {
        std::uint32_t cut = 0;
        for (unsigned i = 4; i-- > 0;)
            cut = cut << 8 | static_cast<unsigned char>(block.cuts[at + i]);
        cuts.push_back(cut);
    }
    return cuts;
}

/// The cuts as the body itself has them.
std::vector<std::uint32_t> true_cuts(const PackedBlock& block) {
    std::vector<std::uint32_t> cuts;
    for (std::uint32_t at = scatterer::limits::cut_stride; at < block.count;
         at += scatterer::limits::cut_stride)
        cuts.push_back(
            static_cast<std::uint32_t>(wire::objects_length(block.body.view(), at).value()));
    return cuts;
}

BlockBuilder builder(std::uint64_t payload_bytes = 1000, std::uint64_t block_bytes = 4000) {
    return BlockBuilder({.payload_bytes = payload_bytes, .block_bytes = block_bytes});
}

}  // namespace

TEST_CASE("texts become MessagePack strings, one behind the other, whatever their length") {
    auto blocks = builder(1 << 20, 1 << 20);
    std::string all;
    for (std::size_t length : {0, 1, 31, 32, 255, 256, 65535, 65536}) {
        std::string text(length, 'x');
        REQUIRE(blocks.has_room(length + BlockBuilder::text_overhead));
        REQUIRE(blocks.add_text(text));
        all += wire::pack_text(text);
    }
    auto block = blocks.take();
    CHECK(block.first == 0);
    CHECK(block.count == 8);
    CHECK(block.body.view() == all);
    CHECK(block.cuts.empty());
}

TEST_CASE("cut offsets point at every sixteenth fragment") {
    std::mt19937_64 random(7);
    for (std::uint32_t count : {15u, 16u, 17u, 32u, 33u, 100u}) {
        CAPTURE(count);
        auto blocks = builder(1000, 1 << 20);
        for (std::uint32_t i = 0; i < count; ++i)
            REQUIRE(blocks.add_text(std::string(random() % 300, 'a')));
        auto block = blocks.take();
        CHECK(wire::is_objects(block.body.view(), count));
        CHECK(cuts_of(block) == true_cuts(block));
        CHECK(cuts_of(block).size() == (count - 1) / scatterer::limits::cut_stride);
    }
}

TEST_CASE("a block has room up to its bytes and its fragments, and an empty one for anything") {
    auto blocks = builder(5000, 100);
    CHECK(blocks.has_room(5000));
    REQUIRE(blocks.add_packed(std::string(60, '\xc0')));
    CHECK(blocks.has_room(40));
    CHECK_FALSE(blocks.has_room(41));

    auto many = builder(10, 1 << 20);
    for (std::uint32_t i = 0; i < scatterer::limits::block_fragments; ++i) {
        REQUIRE(many.has_room(1));
        REQUIRE(many.add_packed("\xc0"));
    }
    CHECK_FALSE(many.has_room(1));
}

TEST_CASE("blocks follow one another") {
    auto blocks = builder();
    CHECK(blocks.empty());
    for (int i = 0; i < 20; ++i) REQUIRE(blocks.add_text("a"));
    CHECK(blocks.next_index() == 20);
    CHECK(blocks.take().end() == 20);
    CHECK(blocks.empty());
    REQUIRE(blocks.add_text("b"));
    auto second = blocks.take();
    CHECK(second.first == 20);
    CHECK(second.count == 1);
    CHECK(second.cuts.empty());
    CHECK(second.body.view() == wire::pack_text("b"));
}

TEST_CASE(
    "a payload past the limit is refused with its index, size and limit, and leaves the block as "
    "it was") {
    auto blocks = builder(100);
    REQUIRE(blocks.add_text("a"));
    auto refused = blocks.add_text(std::string(96, 'x'));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().text.find("fragment 2:") != std::string::npos);
    CHECK(refused.error().text.find("101 bytes") != std::string::npos);
    CHECK(refused.error().text.find("at most 100") != std::string::npos);
    CHECK_FALSE(blocks.add_packed(std::string(101, '\xc0')));
    REQUIRE(blocks.add_packed(std::string(100, '\xc0')));
    CHECK(blocks.next_index() == 2);
    CHECK(blocks.take().body.size() == 102);
}

TEST_CASE("the rest of a block is a block with cuts of its own") {
    auto blocks = builder(1000, 1 << 20);
    for (int i = 0; i < 50; ++i)
        REQUIRE(blocks.add_text(std::string(static_cast<std::size_t>(i), 'r')));
    auto block = blocks.take();
    auto rest = scatterer::rest_of(block, 7);
    REQUIRE(rest);
    CHECK(rest->first == 7);
    CHECK(rest->count == 43);
    CHECK(rest->body.view().substr(0, 8) == wire::pack_text(std::string(7, 'r')));
    CHECK(cuts_of(*rest) == true_cuts(*rest));
    CHECK(scatterer::rest_of(block, 50)->count == 0);

    PackedBlock broken{.first = 0, .count = 3, .cuts = {}, .body = Slice::copy("\xc0\xc1")};
    CHECK_FALSE(scatterer::rest_of(broken, 2));
}
