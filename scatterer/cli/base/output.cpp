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

Output::Output(std::string name, Write write) : name_(std::move(name)), write_(std::move(write)) {
    buffer_.reserve(2 * limits::output_bytes);
}

Output::Output(int fd, std::string name)
    : Output(std::move(name), [fd](std::string_view bytes) { return write_all(fd, bytes); }) {}

void Output::flush() {
    if (buffer_.empty()) return;
    if (!closed_) {
        bool written = write_(buffer_);
        if (!written && errno == EPIPE) closed_ = true;
        else if (!written) throw system_error("write the results to " + name_);
    }
    buffer_.clear();
}

}  // namespace fanfold::scatterer::cli
