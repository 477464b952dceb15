// What a job log of an earlier map lists, for one that is resumed. One thread.
//
// A last line without its end was cut off by a kill: it does not count, and the map that goes on
// overwrites it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace fanfold::scatterer::cli {

class JoblogPast {
public:
    enum class Done : std::uint8_t {
        listed,     // whatever is listed counts as done
        succeeded,  // what is listed with an Exitval or Signal other than 0 does not
    };

    /// A file that is not there lists nothing. Throws SystemError for one that can't be read or is
    /// no job log.
    JoblogPast(const std::string& path, Done done);

    /// Whether the fragment is done. `sequence` counts from 1; the command is the one that would be
    /// run now. Throws SystemError when the log has another one there.
    bool done(std::uint64_t sequence, std::string_view command) const;
    /// The highest Seq that is listed; 0 for none.
    std::uint64_t last() const { return last_; }
    /// Of the heading and all whole lines; 0 where there is not even a heading.
    std::uint64_t bytes() const { return bytes_; }
    /// Throws SystemError when more inputs are listed than there are.
    void check_total(std::uint64_t inputs) const;

private:
    struct Line {
        std::size_t command = 0;  // where the command begins in text_
        std::size_t length = 0;   // of the command
        bool done = false;
    };
    void read_line(std::size_t begin, std::size_t end, std::uint64_t number);

    std::string path_;
    Done done_;
    std::string text_;
    std::unordered_map<std::uint64_t, Line> lines_;  // by Seq; never iterated
    std::uint64_t last_ = 0;
    std::uint64_t bytes_ = 0;
};

}  // namespace fanfold::scatterer::cli
