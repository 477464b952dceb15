#include "shared/store/disk_words.hpp"

#include <sqlite3.h>

#include <cerrno>
#include <cstring>

namespace fanfold {

namespace {
/// SQLite has one result for all that a system call may say.
std::string words_of_error(int error) {
    switch (error) {
        case EIO:
            return "the disk fails (input/output error); see what the system's log says about it, "
                   "and go on from a sound disk";
        case EROFS:
            return "its file system has become read-only; the system's log says why, mount it "
                   "writable again";
        case EDQUOT: return "the quota is used up; make room, or have it raised";
        case EFBIG:
            return "the limit of a file's size is reached; make room, or raise it (ulimit -f)";
        default: break;
    }
    const std::string known = error == 0 ? "" : std::string(" (") + std::strerror(error) + ")";
    return "disk I/O error" + known +
           "; make room on that disk, also in quotas and limits of files, or see what the system's "
           "log says about it";
}
}  // namespace

std::string words_of(const Refusal& refusal) {
    const int kind = refusal.result & 0xff;  // the rest says in which call
    if (kind == SQLITE_IOERR || refusal.system_error == EROFS)
        return words_of_error(refusal.system_error);
    std::string text = sqlite3_errstr(refusal.result);
    switch (kind) {
        case SQLITE_FULL: return text + "; make room on that disk";
        case SQLITE_READONLY:
        case SQLITE_PERM: return text + "; make it writable";
        default: return text;
    }
}

}  // namespace fanfold
