// `--pipe --block SIZE`: a big stream cut into blocks of whole lines, one for each fragment. One
// thread at a time.
#pragma once

#include <cstddef>
#include <string>

#include "scatterer/cli/base/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// Reads a descriptor, which stays the caller's, and cuts it at line ends. Every block but the last
/// has at most `block_bytes` and ends with the last line end within them; a single longer line
/// makes a block of its own. The blocks put back to back are the stream, byte for byte. An empty
/// stream has no block.
class PipeBlocks {
public:
    struct Options {
        int descriptor = 0;
        std::string name = "standard input";                 // for errors
        std::size_t block_bytes = limits::pipe_block_bytes;  // at least 1
        char separator = '\n';                               // NUL with -0
    };
    explicit PipeBlocks(Options options);

    /// Fills `block` (its old content is gone); false at the end. Waits until a block is full or
    /// the stream ends.
    Result<bool> next(std::string& block);
    /// True when next() would wait now. Reads what is there.
    bool would_block();

private:
    std::size_t cut();
    void fill();

    Options options_;
    std::string buffer_;
    std::size_t begin_ = 0;  // of what was read and not given out
    std::size_t end_ = 0;
    std::size_t scanned_ = 0;  // bytes from begin_ that have no separator, where a line is longer
    bool ended_ = false;
    std::string error_;
};

}  // namespace fanfold::scatterer::cli
