// Standard output through one big buffer. One thread, the one that prints.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "scatterer/cli/base/limits.hpp"

namespace fanfold::scatterer::cli {

class Output {
public:
    /// Writes all of the bytes; false, with errno, when that can't be done.
    using Write = std::function<bool(std::string_view)>;
    /// `name` is for errors.
    Output(std::string name, Write write);
    Output(int fd, std::string name);

    void append(std::string_view bytes) {
        buffer_ += bytes;
        if (buffer_.size() >= limits::output_bytes) flush();
    }
    /// For a caller that appends many small pieces itself, and calls settle() after each.
    std::string& buffer() { return buffer_; }
    void settle() {
        if (buffer_.size() >= limits::output_bytes) flush();
    }
    /// Writes all that waits. A reader that is gone (`| head`) sets closed(), and from then on
    /// everything is dropped; any other failure throws SystemError.
    void flush();
    bool closed() const { return closed_; }

private:
    std::string name_;
    Write write_;
    std::string buffer_;
    bool closed_ = false;
};

/// Writes all of it, waiting where the descriptor does not block. False, with errno, when that
/// can't be done.
bool write_all(int fd, std::string_view bytes);

}  // namespace fanfold::scatterer::cli
