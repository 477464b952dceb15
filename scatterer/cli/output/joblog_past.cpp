#include "scatterer/cli/output/joblog_past.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "scatterer/cli/base/errors.hpp"
#include "scatterer/cli/base/limits.hpp"
#include "scatterer/cli/output/joblog.hpp"

namespace fanfold::scatterer::cli {

namespace {

constexpr int columns_before_command = 8;
constexpr int exit_column = 6;
constexpr int signal_column = 7;

/// All bytes of a file; nothing of one that is not there.
std::string bytes_of(const std::string& path) {
    std::string text;
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return text;
    if (fd < 0) throw system_error("read the job log " + path);
    constexpr std::size_t piece = limits::joblog_read_bytes;
    for (;;) {
        std::size_t before = text.size();
        text.resize(before + piece);
        ssize_t got = ::read(fd, text.data() + before, piece);
        int error = errno;
        text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got > 0 || (got < 0 && error == EINTR)) continue;
        ::close(fd);
        errno = error;
        if (got < 0) throw system_error("read the job log " + path);
        return text;
    }
}

bool is_zero(std::string_view column) { return column == "0"; }

/// A command without the quotes of a shell; what they protect is marked, unless it needs no quotes.
/// So commands are alike that a shell reads alike, whoever has quoted them.
std::string unquoted(std::string_view command) {
    std::string text;
    char inside = 0;  // the quote that is open
    auto add_quoted = [&](char c) {
        const bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                           c == '.' || c == '/' || c == ',' || c == ':' || c == '=' || c == '+' ||
                           c == '@' || c == '%';
        if (!plain) text += '\x01';
        text += c;
    };
    for (std::size_t i = 0; i < command.size(); ++i) {
        const char c = command[i];
        const bool is_shells = inside == '"' && (c == '$' || c == '`');
        const bool escapes = c == '\\' && inside != '\'' && i + 1 < command.size();
        if (c == inside) inside = 0;
        else if (inside == 0 && (c == '\'' || c == '"')) inside = c;
        else if (escapes) add_quoted(command[++i]);
        else if (inside != 0 && !is_shells) add_quoted(c);
        else text += c;
    }
    return text;
}

std::string readable(std::string command) {
    std::replace(command.begin(), command.end(), '\0', '\n');
    return command;
}

}  // namespace

JoblogPast::JoblogPast(const std::string& path, Done done)
    : path_(path), done_(done), text_(bytes_of(path)) {
    if (joblog_heading.starts_with(text_)) {  // nothing, or a heading that was cut off
        if (text_.size() == joblog_heading.size()) bytes_ = text_.size();
        return;
    }
    if (!text_.starts_with(joblog_heading))
        throw SystemError(path + " is no job log: its first line is not " +
                          std::string(joblog_heading.substr(0, joblog_heading.size() - 1)) +
                          "; name another file with --joblog");
    bytes_ = joblog_heading.size();
    for (std::uint64_t number = 2;; ++number) {
        std::size_t end = text_.find('\n', bytes_);
        if (end == std::string::npos) return;
        read_line(bytes_, end, number);
        bytes_ = end + 1;
    }
}

void JoblogPast::read_line(std::size_t begin, std::size_t end, std::uint64_t number) {
    std::string_view columns[columns_before_command];
    std::size_t at = begin;
    for (std::string_view& column : columns) {
        std::size_t tab = std::min(text_.find('\t', at), end);
        column = std::string_view(text_).substr(at, tab - at);
        at = tab + 1;
    }
    std::uint64_t sequence = 0;
    std::string_view first = columns[0];
    bool whole =
        at <= end && std::from_chars(first.data(), first.data() + first.size(), sequence).ptr ==
                         first.data() + first.size();
    if (!whole || sequence == 0)
        throw SystemError("line " + std::to_string(number) + " of " + path_ +
                          " is not a job log's; name another file with --joblog");
    Line& line = lines_[sequence];
    line.command = at;
    line.length = end - at;
    line.done |=
        done_ == Done::listed || (is_zero(columns[exit_column]) && is_zero(columns[signal_column]));
    last_ = std::max(last_, sequence);
}

bool JoblogPast::done(std::uint64_t sequence, std::string_view command) const {
    auto it = lines_.find(sequence);
    if (it == lines_.end()) return false;
    const Line& line = it->second;
    std::string now(command);
    std::replace(now.begin(), now.end(), '\n', '\0');  // as it was written
    std::string before = text_.substr(line.command, line.length);
    if (now != before && unquoted(now) != unquoted(before))
        throw SystemError("Seq " + std::to_string(sequence) + " of the job log " + path_ +
                          " was run as '" + readable(before) + "', now it is '" + readable(now) +
                          "'; the command or the inputs are not the same: use another --joblog");
    return line.done;
}

void JoblogPast::check_total(std::uint64_t inputs) const {
    if (inputs >= last_) return;
    throw SystemError("the job log " + path_ + " lists Seq " + std::to_string(last_) +
                      ", but the inputs end after " + std::to_string(inputs) +
                      "; the inputs are not the same: use another --joblog");
}

}  // namespace fanfold::scatterer::cli
