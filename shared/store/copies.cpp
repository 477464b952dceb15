#include "shared/store/copies.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include "shared/base/result.hpp"
#include "shared/store/disk_words.hpp"
#include "shared/store/statement.hpp"

namespace fanfold {

namespace {

struct Close {
    void operator()(sqlite3* db) const { sqlite3_close(db); }
};
using Connection = std::unique_ptr<sqlite3, Close>;

Connection open_database(const std::string& path, int flags) {
    sqlite3* db = nullptr;  // there also where it can't be opened
    const int result = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
    Connection connection(db);
    if (result != SQLITE_OK) throw StartupError("cannot open " + path + ": " + sqlite3_errmsg(db));
    return connection;
}

void check_whole(sqlite3* db, const std::string& path) {
    try {
        Statement check(db, "PRAGMA quick_check(1)");
        if (check.next() && check.bytes(0) == "ok") return;
    } catch (const std::exception&) {  // so damaged that it can't even be checked
    }
    throw StartupError(path + " is damaged; take another copy");
}

/// A new file, which is gone unless it is kept.
class Draft {
public:
    explicit Draft(const std::string& path) : path_(path) {
        const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (file < 0)
            throw StartupError("cannot make " + path + ": " + std::strerror(errno) +
                               "; name another folder, or move that file away");
        close(file);
    }
    ~Draft() {
        if (!path_.empty()) unlink(path_.c_str());
    }
    Draft(const Draft&) = delete;
    Draft& operator=(const Draft&) = delete;
    void keep() { path_.clear(); }

private:
    std::string path_;
};

}  // namespace

std::uint64_t copy_database(const std::string& from, const std::string& to) {
    // A connection that may write would empty the log of a daemon that is down, and its next start
    // would miss that.
    const Connection source = open_database(from, SQLITE_OPEN_READONLY);
    Draft draft(to);
    {
        const Connection target = open_database(to, SQLITE_OPEN_READWRITE);
        sqlite3_backup* copy = sqlite3_backup_init(target.get(), "main", source.get(), "main");
        if (copy) sqlite3_backup_step(copy, -1);  // all in one reading, which holds nobody up
        const int result = copy ? sqlite3_backup_finish(copy) : sqlite3_errcode(target.get());
        if (result != SQLITE_OK)
            throw StartupError(
                "cannot copy " + from + " to " + to + ": " +
                words_of({.result = result, .system_error = sqlite3_system_errno(target.get())}));
        check_whole(target.get(), from);
    }
    draft.keep();
    return std::filesystem::file_size(to);
}

}  // namespace fanfold
