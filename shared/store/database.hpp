// A store's database: rows of records in one SQLite file, with a write-ahead log. One connection,
// on one thread at a time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "shared/store/disk_words.hpp"
#include "shared/store/log_mark.hpp"
#include "shared/store/record.hpp"
#include "shared/store/statement.hpp"
#include "shared/store/store_folder.hpp"

namespace fanfold {

class Database {
public:
    /// Opens it or makes it, and raises its epoch. `format` is that of the component's rows: a
    /// database with those of another is refused. Throws StartupError.
    Database(std::string path, int format);
    /// All that is committed is in the database file then, if the disk allows it.
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    const std::string& path() const { return path_; }
    /// How often it was opened.
    std::uint64_t epoch() const { return epoch_; }

    /// Reads all rows, by job, kind and number. Throws StartupError for a damaged row.
    void load(const std::function<void(Record)>& take);
    /// The row; nothing when there is none, or it is damaged.
    std::optional<Record> find(const Fetch& wanted);
    /// That it is damaged in this way, and the way out, in words.
    std::string damage(const std::string& why) const;
    /// All of it in one transaction, on disk when it returns nothing. Refused: nothing has changed.
    std::optional<Refusal> commit(const std::vector<Record>& batch);
    /// Where the file was removed, or another stands in its place: so in words, with the way out.
    /// What is written then would be gone with this process.
    std::optional<std::string> why_out_of_place() const;

private:
    struct Close {
        void operator()(sqlite3* db) const { sqlite3_close(db); }
    };

    void connect();
    void check_log();
    void check_schema();
    void check_format();
    void make_tables();
    void raise_epoch();
    void prepare_statements();

    int execute(const std::string& sql);
    void must(int result) const;
    [[noreturn]] void refuse_damage(const std::string& why) const;
    std::int64_t number_of(const char* sql);
    int apply(const Record& record);
    void checkpoint();

    const std::string path_;
    const int format_;
    StoreFolder folder_;
    LogMark mark_;
    dev_t device_ = 0;  // where the file is,
    ino_t inode_ = 0;   // and which
    std::unique_ptr<sqlite3, Close> db_;
    int log_frames_ = 0;  // after the last commit
    std::uint64_t epoch_ = 0;
    Statement put_, erase_, erase_job_, get_;
};

}  // namespace fanfold
