#include "scatterer/cli/input/line_reader.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "scatterer/cli/base/limits.hpp"

namespace fanfold::scatterer::cli {

bool wait_readable(int descriptor, bool wait) {
    pollfd waited{.fd = descriptor, .events = POLLIN, .revents = 0};
    int ready = 0;
    do ready = ::poll(&waited, 1, wait ? -1 : 0);
    while (ready < 0 && errno == EINTR);
    return ready != 0;
}

long read_some(int descriptor, char* into, std::size_t most) {
    while (true) {
        long count = ::read(descriptor, into, most);
        if (count >= 0) return count;
        if (errno == EAGAIN) wait_readable(descriptor, true);
        else if (errno != EINTR) return count;
    }
}

Result<LineReader> LineReader::open(const std::string& path, char separator, int standard_input) {
    if (path == "-") return LineReader(standard_input, "standard input", separator);
    int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail("cannot read inputs from '" + path + "': " + std::strerror(errno));
    LineReader reader(descriptor, "'" + path + "'", separator);
    reader.owned_ = true;
    struct stat about {};
    if (::fstat(descriptor, &about) == 0 && S_ISDIR(about.st_mode))
        return fail("cannot read inputs from '" + path +
                    "': it is a folder; name its files after ::: instead");
    return reader;
}

LineReader::LineReader(int descriptor, std::string name, char separator)
    : descriptor_(descriptor), name_(std::move(name)), separator_(separator) {}

LineReader::~LineReader() {
    if (owned_) ::close(descriptor_);
}

LineReader::LineReader(LineReader&& other) noexcept
    : descriptor_(other.descriptor_),
      name_(std::move(other.name_)),
      separator_(other.separator_),
      owned_(std::exchange(other.owned_, false)),
      ended_(other.ended_),
      error_(std::move(other.error_)),
      buffer_(std::move(other.buffer_)),
      begin_(other.begin_),
      scanned_(other.scanned_),
      end_(other.end_) {}

// True when a whole line is in the buffer; its separator is then at scanned_.
bool LineReader::find() {
    if (scanned_ == end_) return false;
    const char* from = buffer_.data() + scanned_;
    const void* found = std::memchr(from, separator_, end_ - scanned_);
    scanned_ =
        found ? static_cast<std::size_t>(static_cast<const char*>(found) - buffer_.data()) : end_;
    return found != nullptr;
}

// Reads once. Only called when no whole line is left, so it is the rest of one line that moves.
void LineReader::fill() {
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        scanned_ -= begin_;
        begin_ = 0;
    }
    if (end_ > fanfold::limits::payload_bytes) {
        error_ = "an input from " + name_ + " is longer than " +
                 std::to_string(fanfold::limits::payload_bytes) +
                 " bytes; a large stream is cut into blocks by --pipe";
        return;
    }
    if (end_ == buffer_.size())
        buffer_.resize(buffer_.empty() ? limits::line_buffer_bytes : 2 * buffer_.size());
    long count = read_some(descriptor_, buffer_.data() + end_, buffer_.size() - end_);
    if (count < 0) error_ = "cannot read inputs from " + name_ + ": " + std::strerror(errno);
    else if (count == 0) ended_ = true;
    else end_ += static_cast<std::size_t>(count);
}

Result<bool> LineReader::next(std::string_view& line) {
    while (!find()) {
        if (!error_.empty()) return fail(error_);
        if (!ended_) {
            fill();
            continue;
        }
        if (begin_ == end_) return false;
        line = {buffer_.data() + begin_, end_ - begin_};
        begin_ = scanned_ = end_;
        return true;
    }
    line = {buffer_.data() + begin_, scanned_ - begin_};
    begin_ = ++scanned_;
    return true;
}

bool LineReader::would_block() {
    while (!find() && !ended_ && error_.empty()) {
        if (!wait_readable(descriptor_, false)) return true;
        fill();
    }
    return false;
}

bool LineReader::at_end() { return error_.empty() && ended_ && begin_ == end_; }

}  // namespace fanfold::scatterer::cli
