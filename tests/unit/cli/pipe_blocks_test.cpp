#include "scatterer/cli/input/pipe_blocks.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace fanfold;
using namespace fanfold::scatterer::cli;

namespace {

using Stream = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

Stream file_with(const std::string& content) {
    Stream file(std::tmpfile(), std::fclose);
    REQUIRE(file);
    REQUIRE(std::fwrite(content.data(), 1, content.size(), file.get()) == content.size());
    std::rewind(file.get());
    return file;
}

std::vector<std::string> blocks_of(const std::string& content, std::size_t block_bytes) {
    Stream file = file_with(content);
    PipeBlocks blocks({.descriptor = ::fileno(file.get()), .block_bytes = block_bytes});
    std::vector<std::string> all;
    std::string block;
    while (true) {
        Result<bool> more = blocks.next(block);
        REQUIRE(more);
        if (!*more) return all;
        all.push_back(block);
    }
}

}  // namespace

TEST_CASE("a stream is cut at the last line end within the size") {
    using Blocks = std::vector<std::string>;
    CHECK(blocks_of("", 4) == Blocks{});
    CHECK(blocks_of("a", 4) == Blocks{"a"});
    CHECK(blocks_of("a\nb\nc\n", 4) == Blocks{"a\nb\n", "c\n"});
    CHECK(blocks_of("a\nb\nc\n", 5) == Blocks{"a\nb\n", "c\n"});
    CHECK(blocks_of("a\nb\nc\n", 6) == Blocks{"a\nb\nc\n"});
    CHECK(blocks_of("a\nb\nc", 4) == Blocks{"a\nb\n", "c"});
    CHECK(blocks_of("long line\nb\nc\n", 4) == Blocks{"long line\n", "b\nc\n"});
    CHECK(blocks_of("long line", 4) == Blocks{"long line"});
    CHECK(blocks_of("abcd\ne\n", 4) == Blocks{"abcd\n", "e\n"});
    CHECK(blocks_of("\n\n\n", 2) == Blocks{"\n\n", "\n"});
    CHECK(blocks_of("a\r\nb\r\n", 3) == Blocks{"a\r\n", "b\r\n"});
    CHECK(blocks_of("a\nb\n", 0) == Blocks{"a\n", "b\n"});
}

TEST_CASE("blocks of any size put back together are the stream") {
    constexpr unsigned seed = 20240611;
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::string content;
    while (content.size() < 700'000)
        content.append(random() % 200, 'x').append(random() % 50 == 0 ? 9'000 : 0, 'y') += '\n';
    content += "no line end";
    for (std::size_t block_bytes : {1ul, 100ul, 4'096ul, 131'072ul, 1'000'000ul}) {
        CAPTURE(block_bytes);
        std::string together;
        for (const std::string& block : blocks_of(content, block_bytes)) {
            REQUIRE(!block.empty());
            bool one_line = block.find('\n') >= block.size() - 1;
            REQUIRE((block.size() <= block_bytes || one_line));
            together += block;
            REQUIRE((together.size() == content.size() || block.back() == '\n'));
        }
        CHECK(together == content);
    }
}

TEST_CASE("a pipe that is not ready is told") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    PipeBlocks blocks({.descriptor = ends[0], .block_bytes = 4});
    CHECK(blocks.would_block());
    REQUIRE(::write(ends[1], "a\nb", 3) == 3);
    CHECK(blocks.would_block());
    REQUIRE(::write(ends[1], "\nc", 2) == 2);
    CHECK(!blocks.would_block());
    std::string block;
    CHECK(blocks.next(block).value());
    CHECK(block == "a\nb\n");
    CHECK(blocks.would_block());
    ::close(ends[1]);
    CHECK(!blocks.would_block());
    CHECK(blocks.next(block).value());
    CHECK(block == "c");
    CHECK(!blocks.next(block).value());
    CHECK(!blocks.next(block).value());
    ::close(ends[0]);
    PipeBlocks closed({.descriptor = 1'000'000, .block_bytes = 4});
    Result<bool> more = closed.next(block);
    REQUIRE(!more);
    CHECK(more.error().text.find("standard input") != std::string::npos);
}
