// Lines of a file descriptor, without a copy and without reading further than it must. One thread
// at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.hpp"

namespace fanfold::scatterer::cli {

/// Cuts what comes from a descriptor at a separator, which belongs to no line. A last line without
/// separator counts, an empty line too; a carriage return stays part of its line.
class LineReader {
public:
    /// Opens a file; "-" stands for `standard_input`. A missing or unreadable file and a folder are
    /// errors.
    static Result<LineReader> open(const std::string& path, char separator, int standard_input);
    /// Reads from a descriptor that stays the caller's. `name` is for errors.
    LineReader(int descriptor, std::string name, char separator);
    ~LineReader();
    LineReader(LineReader&& other) noexcept;
    LineReader& operator=(LineReader&&) = delete;

    /// Sets `line`, valid until the next call of any member; false at the end. Waits for the
    /// descriptor.
    Result<bool> next(std::string_view& line);
    /// True when next() would wait now. Reads what is there, so it is exact also where only part of
    /// a line has come.
    bool would_block();
    /// Once would_block() has said no: true when next() would find the end.
    bool at_end();
    int descriptor() const { return descriptor_; }

private:
    bool find();
    void fill();

    int descriptor_ = -1;
    std::string name_;
    char separator_ = '\n';
    bool owned_ = false;
    bool ended_ = false;
    std::string error_;
    std::vector<char> buffer_;
    std::size_t begin_ = 0;    // of what was not given out yet
    std::size_t scanned_ = 0;  // no separator lies between begin_ and here
    std::size_t end_ = 0;      // of what was read
};

/// Waits until a descriptor can be read, or not at all; true when it can (its end and an error
/// count as that).
bool wait_readable(int descriptor, bool wait);

/// Reads once, waiting for data and going on after a signal. 0: the end; negative: errno is set.
long read_some(int descriptor, char* into, std::size_t most);

}  // namespace fanfold::scatterer::cli
