#include "shared/store/database.hpp"

#define XXH_INLINE_ALL  // header only: nothing to link
#include <xxhash.h>

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "shared/base/limits.hpp"
#include "shared/base/result.hpp"

namespace fanfold {

namespace {
constexpr int schema_version = 1;

std::string_view key_of(const JobId& job) {
    return {reinterpret_cast<const char*>(job.bytes.data()), job.bytes.size()};
}

/// Over all of the row, so that a row that lost its place is found as well as one that lost a bit.
std::int64_t checksum(std::string_view job, std::int64_t kind, std::int64_t number,
                      std::string_view data, std::string_view body) {
    std::uint64_t sum =
        XXH3_64bits_withSeed(job.data(), job.size(), static_cast<std::uint64_t>(kind));
    sum = XXH3_64bits_withSeed(&number, sizeof number, sum);
    sum = XXH3_64bits_withSeed(data.data(), data.size(), sum);
    sum = XXH3_64bits_withSeed(body.data(), body.size(), sum);
    return static_cast<std::int64_t>(sum);
}

std::int64_t checksum_of_epoch(std::int64_t epoch) { return checksum("", 0, epoch, "", ""); }

/// The row that the statement stands at (job, kind, number, data, body, checksum); nothing when it
/// is not what was written.
std::optional<Record> read(const Statement& row) {
    Record record{
        .change = Record::Change::put, .job = {}, .kind = static_cast<std::uint8_t>(row.number(1))};
    std::string_view job = row.bytes(0);
    bool sound =
        job.size() == record.job.bytes.size() &&
        checksum(job, row.number(1), row.number(2), row.bytes(3), row.bytes(4)) == row.number(5);
    if (!sound) return std::nullopt;
    std::memcpy(record.job.bytes.data(), job.data(), job.size());
    record.number = static_cast<std::uint64_t>(row.number(2));
    record.data = row.bytes(3);
    record.body = Slice::copy(row.bytes(4));
    return record;
}

std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}
}  // namespace

Database::Database(std::string path, int format)
    : path_(std::move(path)), format_(format), folder_(path_), mark_(path_) {
    if (mark_.knows_a_store() && std::filesystem::file_size(path_) == 0)
        refuse_damage("it is empty");
    connect();
    check_log();
    check_schema();
    try {
        raise_epoch();
        prepare_statements();
    } catch (const Damage& damage) {
        refuse_damage(damage.what());
    }
}

Database::~Database() {
    // The log is removed when the connection closes; what it has may still be in it alone.
    mark_.set_emptied();
}

void Database::connect() {
    sqlite3* db = nullptr;  // there also where it can't be opened
    int result =
        sqlite3_open_v2(path_.c_str(), &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    db_.reset(db);
    if (result != SQLITE_OK) refuse_state("cannot open " + path_ + ": " + sqlite3_errmsg(db));
    struct stat opened {};
    if (stat(path_.c_str(), &opened) != 0)
        refuse_state("cannot see " + path_ + ": " + std::strerror(errno));
    device_ = opened.st_dev;
    inode_ = opened.st_ino;
    // Large pages and rare checkpoints suit rows that are blocks and chunks.
    must(execute("PRAGMA page_size=" + std::to_string(limits::store_page_bytes) +
                 "; PRAGMA mmap_size=0"));
    must(execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=" +
                 std::to_string(limits::store_log_bytes)));
}

/// A log that has lost frames is refused. All that it has goes to the database.
void Database::check_log() {
    int frames = 0;
    int in_database = 0;
    must(sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                   &in_database));
    if (!mark_.holds(frames))
        refuse_damage("its write-ahead log has lost what was committed to it");
    if (in_database == frames) mark_.set_emptied();
    sqlite3_wal_hook(
        db_.get(),
        [](void* frames_now, sqlite3*, const char*, int now) {
            return *static_cast<int*>(frames_now) = now, SQLITE_OK;
        },
        &log_frames_);
}

/// Makes the tables in an empty file; a file that has some must be whole, and ours.
void Database::check_schema() {
    std::int64_t version = 0;
    try {
        version = number_of("PRAGMA user_version");
        Statement check(db_.get(), "PRAGMA quick_check(1)");
        if (!check.next() || check.bytes(0) != "ok") throw Damage(one_line(check.bytes(0)));
        if (version == 0 && number_of("SELECT count(*) FROM sqlite_schema") != 0)
            throw Damage("it is of no known schema");
    } catch (const Damage& damage) {
        refuse_damage(damage.what());
    }
    if (version > schema_version || version < 0)
        refuse_state(path_ + " was written by a newer release (schema " + std::to_string(version) +
                     ", this one reads " + std::to_string(schema_version) +
                     "); run that release, or name another folder");
    if (version != 0) check_format();
    else make_tables();
}

/// The number of a row format stands where SQLite keeps an application's number.
void Database::check_format() {
    std::int64_t format = number_of("PRAGMA application_id");
    if (format == format_) return;
    std::string numbers = "row format " + std::to_string(format) + ", this one reads " +
                          std::to_string(format_) + ")";
    if (format > format_)
        refuse_state(path_ + " was written by a newer release (" + numbers +
                     "; run that release, or name another folder");
    refuse_state(path_ + " was written by an earlier release (" + numbers +
                 "; let that release finish its jobs, then move the file away or name another "
                 "folder: a new one is made");
}

void Database::make_tables() {
    must(
        execute("BEGIN IMMEDIATE;"
                "CREATE TABLE records(job BLOB NOT NULL, kind INTEGER NOT NULL, number INTEGER "
                "NOT NULL,"
                " data BLOB NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL, PRIMARY "
                "KEY(job, kind, number));"
                "CREATE TABLE life(epoch INTEGER NOT NULL, checksum INTEGER NOT NULL);"
                "INSERT INTO life VALUES(0, " +
                std::to_string(checksum_of_epoch(0)) +
                ");"
                "PRAGMA user_version=1; PRAGMA application_id=" +
                std::to_string(format_) + "; COMMIT"));
}

void Database::raise_epoch() {
    std::int64_t epoch = number_of("SELECT epoch FROM life");
    if (number_of("SELECT checksum FROM life") != checksum_of_epoch(epoch))
        throw Damage("the number of its lives fails its checksum");
    ++epoch;
    must(execute("UPDATE life SET epoch=" + std::to_string(epoch) +
                 ", checksum=" + std::to_string(checksum_of_epoch(epoch))));
    mark_.set(log_frames_);
    epoch_ = static_cast<std::uint64_t>(epoch);
}

void Database::prepare_statements() {
    sqlite3* db = db_.get();
    put_ = Statement(db,
                     "INSERT OR REPLACE INTO records(job, kind, number, data, body, checksum) "
                     "VALUES(?, ?, ?, ?, ?, ?)");
    erase_ = Statement(db, "DELETE FROM records WHERE job = ? AND kind = ? AND number = ?");
    erase_job_ = Statement(db, "DELETE FROM records WHERE job = ?");
    get_ = Statement(db,
                     "SELECT job, kind, number, data, body, checksum FROM records WHERE job = ? "
                     "AND kind = ? AND number = ?");
}

void Database::load(const std::function<void(Record)>& take) {
    Statement rows(db_.get(),
                   "SELECT job, kind, number, data, body, checksum FROM records ORDER BY job, "
                   "kind, number");
    auto next = [&] {
        try {
            return rows.next();
        } catch (const Damage& damage) {
            refuse_damage(damage.what());
        }
    };
    while (next()) {
        auto record = read(rows);
        if (!record) refuse_damage("a row fails its checksum");
        take(*std::move(record));
    }
}

std::optional<Record> Database::find(const Fetch& wanted) {
    get_.bind(1, key_of(wanted.job))
        .bind(2, wanted.kind)
        .bind(3, static_cast<std::int64_t>(wanted.number));
    std::optional<Record> record;
    try {
        if (get_.next()) record = read(get_);
    } catch (const Damage&) {  // there is no sound row
    }
    get_.reset();
    return record;
}

std::optional<std::string> Database::why_out_of_place() const {
    struct stat now {};
    const int error = stat(path_.c_str(), &now) == 0 ? 0 : errno;
    if (error == 0 && now.st_dev == device_ && now.st_ino == inode_) return std::nullopt;
    if (error != 0 && error != ENOENT && error != ENOTDIR) return std::nullopt;  // not to be seen
    return path_ + (error == 0 ? " is another file than the one that was opened" : " was removed") +
           "; put the folder back as it was, or end this process, with which all that was kept "
           "there is lost";
}

std::optional<Refusal> Database::commit(const std::vector<Record>& batch) {
    int result = execute("BEGIN IMMEDIATE");
    for (std::size_t i = 0; result == SQLITE_OK && i < batch.size(); ++i) result = apply(batch[i]);
    if (result == SQLITE_OK) result = execute("COMMIT");
    if (result != SQLITE_OK) {
        const Refusal refusal{.result = result, .system_error = sqlite3_system_errno(db_.get())};
        execute("ROLLBACK");
        // A log that is in the database as a whole is written over from its beginning.
        if (result == SQLITE_FULL) checkpoint();
        return refusal;
    }
    mark_.set(log_frames_);
    if (log_frames_ >= limits::store_checkpoint_pages) checkpoint();
    return std::nullopt;
}

int Database::apply(const Record& record) {
    auto kind = static_cast<std::int64_t>(record.kind);
    auto number = static_cast<std::int64_t>(record.number);
    std::string_view job = key_of(record.job);
    switch (record.change) {
        case Record::Change::put:
            return put_.bind(1, job)
                .bind(2, kind)
                .bind(3, number)
                .bind(4, record.data)
                .bind(5, record.body.view())
                .bind(6, checksum(job, kind, number, record.data, record.body.view()))
                .run();
        case Record::Change::erase: return erase_.bind(1, job).bind(2, kind).bind(3, number).run();
        case Record::Change::erase_job: return erase_job_.bind(1, job).run();
    }
    return SQLITE_MISUSE;
}

/// One that fails or is in somebody's way is tried again after the next commit.
void Database::checkpoint() {
    int frames = 0;
    int in_database = 0;
    int result = sqlite3_wal_checkpoint_v2(db_.get(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                           &in_database);
    if (result == SQLITE_OK && in_database == frames) mark_.set_emptied();
}

int Database::execute(const std::string& sql) {
    return sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr);
}

void Database::must(int result) const {
    if (result == SQLITE_OK) return;
    if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
        refuse_damage(sqlite3_errmsg(db_.get()));
    if (result == SQLITE_FULL || result == SQLITE_IOERR)
        refuse_state("cannot write " + path_ + ": " +
                     words_of({.result = result, .system_error = sqlite3_system_errno(db_.get())}) +
                     ", or name another folder");
    refuse_state("cannot write " + path_ + ": " + sqlite3_errmsg(db_.get()) +
                 "; make it writable, restore it from a backup if it is damaged, or name another "
                 "folder");
}

std::string Database::damage(const std::string& why) const {
    return "the state in " + path_ + " is damaged: " + why +
           "; restore the folder from a backup, or name an empty one with --state (the jobs in it "
           "are lost then)";
}

void Database::refuse_damage(const std::string& why) const { throw StartupError(damage(why)); }

std::int64_t Database::number_of(const char* sql) {
    Statement statement(db_.get(), sql);
    if (!statement.next()) throw Damage("a table has lost its row");
    return statement.number(0);
}

}  // namespace fanfold
