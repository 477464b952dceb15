#include "scatterer/cli/base/console.hpp"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "scatterer/cli/base/output.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr std::string_view erase_below = "\x1b[J";
// Makes sure of a line below the cursor, remembers the place, and goes to the beginning of it.
constexpr std::string_view to_line_below =
    "\x1b"
    "D\x1b[A\x1b"
    "7\x1b[B\r";
constexpr std::string_view back =
    "\x1b"
    "8";

bool terminal_is_dumb() {
    const char* name = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): before any thread
    return name == nullptr || *name == '\0' || std::string_view(name) == "dumb";
}

}  // namespace

Console::Console(int fd) : fd_(fd), can_redraw_(::isatty(fd) != 0 && !terminal_is_dumb()) {}

std::size_t terminal_columns(int fd) {
    winsize size{};
    if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

void Console::say(const std::string& text) { pass("fanfold: " + printable(text) + '\n'); }

void Console::pass(std::string_view bytes) {
    std::lock_guard lock(mutex_);
    (void)write_above_bar(fd_, bytes);  // nobody is left to tell when this fails
}

bool Console::pass_to(int fd, std::string_view bytes) {
    // What blocks elsewhere holds nobody up who has something to say here.
    if (!shares_terminal(fd)) return write_all(fd, bytes);
    std::lock_guard lock(mutex_);
    return write_above_bar(fd, bytes);
}

void Console::draw(const std::string& bar) {
    std::lock_guard lock(mutex_);
    if (!can_redraw_) return (void)write_all(fd_, bar + '\n');
    std::string bytes;
    erase_bar(bytes);
    bar_ = bar;
    append_bar(bytes);
    (void)write_all(fd_, bytes);
}

void Console::clear() {
    std::lock_guard lock(mutex_);
    std::string bytes;
    erase_bar(bytes);
    bar_.clear();
    (void)write_all(fd_, bytes);
}

/// In one write, so that the bar is never seen to be gone.
bool Console::write_above_bar(int fd, std::string_view bytes) {
    if (bytes.empty()) return true;
    std::string all;
    erase_bar(all);
    at_line_start_ = bytes.back() == '\n';
    if (bar_.empty()) return write_all(fd, bytes);
    all += bytes;
    append_bar(all);
    return write_all(fd, all);
}

void Console::erase_bar(std::string& bytes) const {
    if (bar_.empty()) return;
    if (at_line_start_) bytes += '\r';
    bytes += erase_below;
}

/// The cursor stays where what is printed next belongs.
void Console::append_bar(std::string& bytes) const {
    if (at_line_start_) {
        bytes += bar_;
        bytes += '\r';
        return;
    }
    bytes += to_line_below;
    bytes += bar_;
    bytes += back;
}

bool Console::shares_terminal(int fd) const {
    struct stat own {
    }, other{};
    return can_redraw_ && ::isatty(fd) != 0 && ::fstat(fd_, &own) == 0 &&
           ::fstat(fd, &other) == 0 && own.st_rdev == other.st_rdev;
}

}  // namespace fanfold::scatterer::cli
