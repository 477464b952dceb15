#include "scatterer/cli/base/output.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "scatterer/cli/base/errors.hpp"

namespace fanfold::scatterer::cli {

bool write_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        ssize_t written = ::write(fd, bytes.data(), bytes.size());
        if (written >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd item{fd, POLLOUT, 0};
            (void)::poll(&item, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

Output::Output(int fd, std::string name, std::function<void()> before_write)
    : fd_(fd), name_(std::move(name)), before_write_(std::move(before_write)) {
    buffer_.reserve(2 * limits::output_bytes);
}

void Output::flush() {
    if (buffer_.empty()) return;
    if (!closed_) {
        if (before_write_) before_write_();
        bool written = write_all(fd_, buffer_);
        if (!written && errno == EPIPE) closed_ = true;
        else if (!written) throw system_error("write the results to " + name_);
    }
    buffer_.clear();
}

}  // namespace fanfold::scatterer::cli
