// Standard error: the program's own lines, what commands wrote there, and the progress bar, which
// stays on the line below all that is printed to the same terminal, be it to standard output. Any
// thread.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace fanfold::scatterer::cli {

/// Of the terminal; 80 where that is not known.
std::size_t terminal_columns(int fd);

class Console {
public:
    explicit Console(int fd = 2);

    /// Whether a line can be drawn over the one before: it is a terminal, and not a dumb one.
    bool can_redraw() const { return can_redraw_; }
    /// Of the terminal; 80 where that is not known.
    std::size_t columns() const { return terminal_columns(fd_); }

    /// "fanfold: TEXT" and a newline, in one write.
    void say(const std::string& text);
    /// Bytes as they are.
    void pass(std::string_view bytes);
    /// Bytes for another descriptor, which may be the same terminal. False, with errno, when they
    /// can't be written.
    bool pass_to(int fd, std::string_view bytes);
    /// Draws the bar over the one before; where that can't be done, prints it as a line.
    void draw(const std::string& bar);
    /// Takes the bar away, until it is drawn again.
    void clear();

private:
    bool write_above_bar(int fd, std::string_view bytes);
    void erase_bar(std::string& bytes) const;
    void append_bar(std::string& bytes) const;
    bool shares_terminal(int fd) const;

    int fd_;
    bool can_redraw_;
    std::mutex mutex_;
    std::string bar_;            // as it is drawn; empty: it is not
    bool at_line_start_ = true;  // what was printed to the terminal last ended its line
};

}  // namespace fanfold::scatterer::cli
