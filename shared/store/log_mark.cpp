#include "shared/store/log_mark.hpp"

#include <fcntl.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fanfold {

namespace {
struct Content {
    std::uint64_t frames = 0;
    std::uint64_t checksum = 0;
};

std::uint64_t checksum_of(std::uint64_t frames) { return XXH3_64bits(&frames, sizeof frames); }
}  // namespace

LogMark::LogMark(const std::string& database) : path_(database + "-mark") {
    file_ = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    Content content;
    bool whole = file_ >= 0 && pread(file_, &content, sizeof content, 0) == sizeof content;
    if (whole && content.checksum == checksum_of(content.frames)) frames_ = content.frames;
}

LogMark::~LogMark() {
    if (file_ >= 0) close(file_);
}

void LogMark::set(int frames) {
    if (!write(static_cast<std::uint64_t>(frames))) forget();
}

void LogMark::set_emptied() {
    if (!write(0) || fdatasync(file_) != 0) forget();
}

bool LogMark::write(std::uint64_t frames) {
    const Content content{.frames = frames, .checksum = checksum_of(frames)};
    return file_ >= 0 && pwrite(file_, &content, sizeof content, 0) == sizeof content;
}

/// A mark that can't be written whole must not say anything.
void LogMark::forget() {
    if (file_ >= 0 && ftruncate(file_, 0) != 0) unlink(path_.c_str());
}

}  // namespace fanfold
