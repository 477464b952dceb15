#include "scatterer/cli/input/pipe_blocks.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/input/line_reader.hpp"

namespace fanfold::scatterer::cli {

PipeBlocks::PipeBlocks(Options options) : options_(std::move(options)) {
    options_.block_bytes = std::max<std::size_t>(options_.block_bytes, 1);
}

// The length of the block that stands first in the buffer; 0 when more must be read to know.
std::size_t PipeBlocks::cut() {
    std::string_view text(buffer_.data() + begin_, end_ - begin_);
    if (ended_ && text.size() <= options_.block_bytes) return text.size();
    if (text.size() < options_.block_bytes) return 0;
    if (scanned_ == 0) {
        std::size_t last = text.substr(0, options_.block_bytes).rfind(options_.separator);
        if (last != std::string_view::npos) return last + 1;
        scanned_ = options_.block_bytes;
    }
    std::size_t first = text.find(options_.separator, scanned_);
    if (first != std::string_view::npos) return first + 1;
    scanned_ = text.size();
    return ended_ ? text.size() : 0;
}

void PipeBlocks::fill() {
    std::size_t left = end_ - begin_;
    if (left > fanfold::limits::payload_bytes) {
        error_ = "a line from " + options_.name + " is longer than " +
                 std::to_string(fanfold::limits::payload_bytes) +
                 " bytes, the most that one fragment may have";
        return;
    }
    if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, left);
    begin_ = 0;
    end_ = left;
    if (buffer_.size() - left < limits::pipe_read_bytes)
        buffer_.resize(std::max(2 * left, left + limits::pipe_read_bytes));
    long count = read_some(options_.descriptor, buffer_.data() + end_, buffer_.size() - end_);
    if (count < 0) error_ = "cannot read " + options_.name + ": " + std::strerror(errno);
    else if (count == 0) ended_ = true;
    else end_ += static_cast<std::size_t>(count);
}

Result<bool> PipeBlocks::next(std::string& block) {
    std::size_t length = 0;
    while ((length = cut()) == 0) {
        if (!error_.empty()) return fail(error_);
        if (ended_) return false;
        fill();
    }
    block.assign(buffer_, begin_, length);
    begin_ += length;
    scanned_ = 0;
    return true;
}

bool PipeBlocks::would_block() {
    while (cut() == 0 && !ended_ && error_.empty()) {
        if (!wait_readable(options_.descriptor, false)) return true;
        fill();
    }
    return false;
}

}  // namespace fanfold::scatterer::cli
