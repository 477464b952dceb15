#include "scatterer/cli/base/console.hpp"

#include "scatterer/cli/base/output.hpp"
#include "shared/base/text.hpp"

namespace fanfold::scatterer::cli {

namespace {
constexpr std::string_view erase_line = "\r\x1b[K";
}

void Console::say(const std::string& text) { pass("fanfold: " + printable(text) + '\n'); }

void Console::pass(std::string_view bytes) {
    std::lock_guard lock(mutex_);
    std::string all;
    erase_bar(all);
    if (!all.empty()) (void)write_all(fd_, all);
    (void)write_all(fd_, bytes);  // nobody is left to tell when this fails
}

void Console::draw(const std::string& bar) {
    std::lock_guard lock(mutex_);
    (void)write_all(fd_, std::string(erase_line) + bar);
    drawn_ = true;
}

void Console::clear() {
    std::lock_guard lock(mutex_);
    std::string bytes;
    erase_bar(bytes);
    (void)write_all(fd_, bytes);
}

void Console::erase_bar(std::string& bytes) {
    if (drawn_) bytes += erase_line;
    drawn_ = false;
}

}  // namespace fanfold::scatterer::cli
