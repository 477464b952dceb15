#include "shared/store/log_mark.hpp"

#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstddef>

namespace fanfold {

namespace {

// https://sqlite.org/fileformat2.html#the_write_ahead_log: the header is eight 32-bit big-endian
// numbers, of which the fifth grows by one each time the log starts over, and the last two are a
// checksum of the others.
constexpr std::size_t restarts_at = 16;
constexpr std::uint32_t restarts_missed = 1000;  // more than can come between two marks

std::uint32_t number_at(const std::array<std::uint8_t, 32>& header, std::size_t at,
                        bool big_endian = true) {
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < 4; ++i)
        number = number << 8 | header.at(at + (big_endian ? i : 3 - i));
    return number;
}

bool is_sound(const std::array<std::uint8_t, 32>& header) {
    bool big_endian = (number_at(header, 0) & 1) != 0;
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    for (std::size_t at = 0; at < 24; at += 8) {
        first += number_at(header, at, big_endian) + second;
        second += number_at(header, at + 4, big_endian) + first;
    }
    return first == number_at(header, 24) && second == number_at(header, 28);
}

}  // namespace

std::uint64_t LogMark::checksum_of(const Content& content) {
    return XXH3_64bits(&content, offsetof(Content, checksum));
}

LogMark::LogMark(const std::string& database)
    : log_path_(database + "-wal"), path_(database + "-mark"), found_(read_header()) {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    Content content;
    bool whole = file_ >= 0 && pread(file_, &content, sizeof content, 0) == sizeof content;
    if (whole && content.checksum == checksum_of(content)) marked_ = content;
}

LogMark::~LogMark() {
    if (file_ >= 0) close(file_);
}

std::optional<LogMark::Header> LogMark::read_header() const {
    Header header{};
    int log = open(log_path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (log < 0) return std::nullopt;
    bool whole = pread(log, header.data(), header.size(), 0) == static_cast<ssize_t>(header.size());
    close(log);
    return whole ? std::optional(header) : std::nullopt;
}

bool LogMark::holds(int frames) const {
    if (!marked_ || marked_->header == Header{}) return true;
    if (!found_ || !is_sound(*found_)) return false;
    if (*found_ == marked_->header)
        return frames >= 0 && static_cast<std::uint64_t>(frames) >= marked_->frames;
    // It started over after the mark: then all that the mark knew of is in the database.
    std::uint32_t restarts =
        number_at(*found_, restarts_at) - number_at(marked_->header, restarts_at);
    return restarts >= 1 && restarts <= restarts_missed;
}

void LogMark::set(int frames) {
    auto header = read_header();
    if (header) write({.header = *header, .frames = static_cast<std::uint64_t>(frames)});
}

void LogMark::close_well() { write({}); }

// A mark that can't be written whole must not say anything.
void LogMark::write(Content content) {
    if (file_ < 0) return;
    content.checksum = checksum_of(content);
    if (pwrite(file_, &content, sizeof content, 0) != sizeof content && ftruncate(file_, 0) != 0)
        unlink(path_.c_str());
}

}  // namespace fanfold
