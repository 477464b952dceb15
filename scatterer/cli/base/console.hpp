// Standard error: the program's own lines, what commands wrote there, and the progress bar, which
// steps aside for both. Any thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace fanfold::scatterer::cli {

class Console {
public:
    explicit Console(int fd = 2) : fd_(fd) {}

    /// "fanfold: TEXT" and a newline, in one write.
    void say(const std::string& text);
    /// Bytes as they are.
    void pass(std::string_view bytes);
    /// Draws the bar over the one before.
    void draw(const std::string& bar);
    /// Takes the bar away, until it is drawn again.
    void clear();

private:
    void erase_bar(std::string& bytes);

    int fd_;
    std::mutex mutex_;
    bool drawn_ = false;
};

}  // namespace fanfold::scatterer::cli
