#include "shared/store/store.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#define XXH_INLINE_ALL  // header only: nothing to link
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>

#include "shared/base/limits.hpp"
#include "shared/store/log_mark.hpp"

namespace fanfold {

namespace {

constexpr int schema_version = 1;
constexpr auto retry_after = std::chrono::seconds(1);

/// The file is not what this program wrote.
struct Damage : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// A statement that is prepared once and run often.
class Statement {
public:
    Statement() = default;
    Statement(sqlite3* db, const char* sql) {
        if (sqlite3_prepare_v2(db, sql, -1, &statement_, nullptr) != SQLITE_OK)
            throw Damage(sqlite3_errmsg(db));
    }
    Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
    Statement& operator=(Statement&& other) noexcept {
        std::swap(statement_, other.statement_);
        return *this;
    }
    ~Statement() { sqlite3_finalize(statement_); }

    Statement& bind(int at, std::int64_t value) {
        return sqlite3_bind_int64(statement_, at, value), *this;
    }
    Statement& bind(int at, std::string_view bytes) {
        sqlite3_bind_blob64(statement_, at, bytes.empty() ? "" : bytes.data(), bytes.size(),
                            SQLITE_STATIC);
        return *this;
    }
    /// Runs a statement that gives no rows.
    int run() {
        int result = sqlite3_step(statement_);
        sqlite3_reset(statement_);
        return result == SQLITE_DONE ? SQLITE_OK : result;
    }
    /// Whether there is another row. Anything but that or the end is thrown: a result that breaks
    /// off is no result.
    bool next() {
        int result = sqlite3_step(statement_);
        if (result != SQLITE_ROW && result != SQLITE_DONE) throw Damage(sqlite3_errstr(result));
        return result == SQLITE_ROW;
    }
    void reset() { sqlite3_reset(statement_); }
    std::int64_t number(int column) const { return sqlite3_column_int64(statement_, column); }
    std::string_view bytes(int column) const {
        const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
        return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
    }

private:
    sqlite3_stmt* statement_ = nullptr;
};

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

/// The lock on the folder and the connection: closed however an opening ends.
struct Files {
    int lock = -1;
    sqlite3* db = nullptr;
    Files() = default;
    Files(const Files&) = delete;
    Files& operator=(const Files&) = delete;
    ~Files() {
        sqlite3_close(db);
        if (lock >= 0) close(lock);
    }
};

constexpr int checkpoint_pages = 512;  // 32 MiB of log

std::string one_line(std::string_view text) {
    std::string line(text);
    std::replace(line.begin(), line.end(), '\n', ' ');
    return line;
}

/// WAL needs shared memory and locks that network filesystems don't give.
bool on_network(const std::string& folder) {
    struct statfs info {};
    if (statfs(folder.c_str(), &info) != 0) return false;
    constexpr unsigned long network[] = {
        0x6969 /* NFS */,     0xff534d42 /* CIFS */,   0xfe534d42 /* SMB2 */,
        0x517b /* SMB */,     0x0bd00bd0 /* Lustre */, 0x47504653 /* GPFS */,
        0x5346414f /* AFS */, 0x00c36400 /* Ceph */,   0x19830326 /* BeeGFS */};
    for (unsigned long type : network)
        if (static_cast<unsigned long>(info.f_type) == type) return true;
    return false;
}

}  // namespace

class Store::State {
public:
    explicit State(Options options) : options_(std::move(options)) {
        open();
        writer_ = std::thread([this] { write(); });
    }
    ~State() {
        {
            std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_all();
        writer_.join();
        mark_->close_well();
    }

    std::uint64_t epoch() const { return epoch_; }

    void load(const std::function<void(Record)>& take) {
        std::lock_guard lock(database_);
        Statement rows(files_.db,
                       "SELECT job, kind, number, data, body, checksum FROM records ORDER BY job, "
                       "kind, number");
        while (next_row(rows)) {
            auto record = read(rows);
            if (!record) refuse_damage("a row fails its checksum");
            take(*std::move(record));
        }
    }

    Ticket append(std::vector<Record> records) {
        std::lock_guard lock(mutex_);
        appended_ += records.size();
        if (queue_.empty()) queue_ = std::move(records);
        else
            queue_.insert(queue_.end(), std::make_move_iterator(records.begin()),
                          std::make_move_iterator(records.end()));
        changed_.notify_all();
        return appended_;
    }

    void fetch(Fetch wanted) {
        std::lock_guard lock(mutex_);
        wanted_.push_back(wanted);
        changed_.notify_all();
    }

private:
    [[noreturn]] void refuse_damage(const std::string& why) const {
        throw StartupError("the state in " + path_ + " is damaged: " + why +
                           "; restore the folder from a backup, or name an empty one with --state "
                           "(the jobs in it are lost then)");
    }
    bool next_row(Statement& rows) const try { return rows.next(); } catch (const Damage& damage) {
        refuse_damage(damage.what());
    }
    /// The row that the statement stands at (job, kind, number, data, body, checksum); nothing when
    /// it is not what was written.
    static std::optional<Record> read(const Statement& row) {
        Record record{.change = Record::Change::put,
                      .job = {},
                      .kind = static_cast<std::uint8_t>(row.number(1))};
        std::string_view job = row.bytes(0);
        bool sound = job.size() == record.job.bytes.size() &&
                     checksum(job, row.number(1), row.number(2), row.bytes(3), row.bytes(4)) ==
                         row.number(5);
        if (!sound) return std::nullopt;
        std::memcpy(record.job.bytes.data(), job.data(), job.size());
        record.number = static_cast<std::uint64_t>(row.number(2));
        record.data = row.bytes(3);
        record.body = Slice::copy(row.bytes(4));
        return record;
    }
    [[noreturn]] void refuse(const std::string& why) const {
        throw StartupError("--state: " + why);
    }

    void open() {
        const std::string& folder = options_.folder;
        std::error_code failed;
        std::filesystem::create_directories(folder, failed);
        if (failed)
            refuse("cannot make the folder " + folder + ": " + failed.message() +
                   "; name one that can be made");
        if (on_network(folder))
            refuse(folder +
                   " is on a network filesystem, which can't keep a store safe; name a folder on a "
                   "local disk");
        path_ = folder + "/" + options_.name + ".db";
        std::string lock_path = folder + "/" + options_.name + ".lock";
        files_.lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (files_.lock < 0)
            refuse("cannot write in " + folder + ": " + std::strerror(errno) +
                   "; make it writable, or name another folder");
        if (flock(files_.lock, LOCK_EX | LOCK_NB) != 0)
            refuse("another process holds " + path_ +
                   "; end it, or name another folder with --state (and, for a second gatherer of "
                   "this host, another --name)");
        mark_.emplace(path_);
        int database = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC,
                              0600);  // SQLite would let others read it
        if (database < 0)
            refuse("cannot write " + path_ + ": " + std::strerror(errno) +
                   "; make it writable, or name another folder");
        close(database);
        if (mark_->knows_a_store() && std::filesystem::file_size(path_) == 0)
            refuse_damage("it is empty");
        if (sqlite3_open_v2(path_.c_str(), &files_.db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                            nullptr) != SQLITE_OK)
            refuse("cannot open " + path_ + ": " + sqlite3_errmsg(files_.db));
        prepare();
    }

    int execute(const std::string& sql) {
        return sqlite3_exec(files_.db, sql.c_str(), nullptr, nullptr, nullptr);
    }
    void must(int result) {
        if (result == SQLITE_OK) return;
        if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB)
            refuse_damage(sqlite3_errmsg(files_.db));
        std::string why = "cannot write " + path_ + ": " + sqlite3_errmsg(files_.db);
        if (result == SQLITE_FULL || result == SQLITE_IOERR)
            refuse(why + "; make room on that disk, or name another folder");
        refuse(why +
               "; make it writable, restore it from a backup if it is damaged, or name another "
               "folder");
    }

    void prepare() {
        // Pages of 64 KiB and rare checkpoints suit rows that are blocks and chunks.
        must(execute("PRAGMA page_size=65536; PRAGMA mmap_size=0"));
        must(
            execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA "
                    "journal_size_limit=67108864"));
        int frames = 0;
        must(sqlite3_wal_checkpoint_v2(files_.db, nullptr, SQLITE_CHECKPOINT_PASSIVE, &frames,
                                       nullptr));
        if (!mark_->holds(frames))
            refuse_damage("its write-ahead log has lost what was committed to it");
        sqlite3_wal_hook(
            files_.db,
            [](void* frames_now, sqlite3*, const char*, int now) {
                return *static_cast<int*>(frames_now) = now, SQLITE_OK;
            },
            &log_frames_);
        check_schema();
        try {
            raise_epoch();
            put_ = Statement(files_.db,
                             "INSERT OR REPLACE INTO records(job, kind, number, data, body, "
                             "checksum) VALUES(?, ?, ?, ?, ?, ?)");
            erase_ = Statement(files_.db,
                               "DELETE FROM records WHERE job = ? AND kind = ? AND number = ?");
            erase_job_ = Statement(files_.db, "DELETE FROM records WHERE job = ?");
            get_ = Statement(files_.db,
                             "SELECT job, kind, number, data, body, checksum FROM records WHERE "
                             "job = ? AND kind = ? AND number = ?");
        } catch (const Damage& damage) {
            refuse_damage(damage.what());
        }
    }

    /// Makes the tables in an empty file; a file that has some must be whole, and ours.
    void check_schema() {
        std::int64_t version = 0;
        try {
            version = number_of("PRAGMA user_version");
            Statement check(files_.db, "PRAGMA quick_check(1)");
            if (!check.next() || check.bytes(0) != "ok") throw Damage(one_line(check.bytes(0)));
            if (version == 0 && number_of("SELECT count(*) FROM sqlite_schema") != 0)
                throw Damage("it is of no known schema");
        } catch (const Damage& damage) {
            refuse_damage(damage.what());
        }
        if (version > schema_version || version < 0)
            refuse(path_ + " was written by a newer release (schema " + std::to_string(version) +
                   ", this one reads " + std::to_string(schema_version) +
                   "); run that release, or name another folder");
        if (version != 0) return check_format();
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
                    std::to_string(options_.format) + "; COMMIT"));
    }

    /// The number of a row format stands where SQLite keeps an application's number.
    void check_format() {
        std::int64_t format = number_of("PRAGMA application_id");
        if (format == options_.format) return;
        std::string numbers = "row format " + std::to_string(format) + ", this one reads " +
                              std::to_string(options_.format) + ")";
        if (format > options_.format)
            refuse(path_ + " was written by a newer release (" + numbers +
                   "; run that release, or name another folder");
        refuse(path_ + " was written by an earlier release (" + numbers +
               "; let that release finish its jobs, then move the file away or name another "
               "folder: a new one is made");
    }

    std::int64_t number_of(const char* sql) {
        Statement statement(files_.db, sql);
        if (!statement.next()) throw Damage("a table has lost its row");
        return statement.number(0);
    }

    void raise_epoch() {
        std::int64_t epoch = number_of("SELECT epoch FROM life");
        if (number_of("SELECT checksum FROM life") != checksum_of_epoch(epoch))
            throw Damage("the number of its lives fails its checksum");
        ++epoch;
        must(execute("UPDATE life SET epoch=" + std::to_string(epoch) +
                     ", checksum=" + std::to_string(checksum_of_epoch(epoch))));
        mark_->set(log_frames_);
        epoch_ = static_cast<std::uint64_t>(epoch);
    }

    int apply(const Record& record) {
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
            case Record::Change::erase:
                return erase_.bind(1, job).bind(2, kind).bind(3, number).run();
            case Record::Change::erase_job: return erase_job_.bind(1, job).run();
        }
        return SQLITE_MISUSE;
    }

    /// One transaction for all that waited.
    int commit(const std::vector<Record>& batch) {
        std::lock_guard lock(database_);
        int result = execute("BEGIN IMMEDIATE");
        for (std::size_t i = 0; result == SQLITE_OK && i < batch.size(); ++i)
            result = apply(batch[i]);
        if (result == SQLITE_OK) result = execute("COMMIT");
        if (result != SQLITE_OK) {
            execute("ROLLBACK");
            // A log that is in the database as a whole is written over from its beginning.
            if (result == SQLITE_FULL)
                sqlite3_wal_checkpoint_v2(files_.db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                          nullptr);
            return result;
        }
        mark_->set(log_frames_);
        // One that fails or is in somebody's way is tried again after the next commit.
        if (log_frames_ >= checkpoint_pages)
            sqlite3_wal_checkpoint_v2(files_.db, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr,
                                      nullptr);
        return result;
    }

    /// What is asked for: from what waits to be written if it is there, else from the disk.
    void answer(const std::vector<Fetch>& wanted, const std::vector<Record>& batch) {
        for (const Fetch& fetch : wanted) options_.on_fetched(look_up(fetch, batch));
    }

    Fetched look_up(const Fetch& fetch, const std::vector<Record>& batch) {
        Fetched none{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                     .sound = false};
        auto newest_in = [&](const std::vector<Record>& records) -> std::optional<Fetched> {
            for (auto record = records.rbegin(); record != records.rend(); ++record) {
                if (record->job != fetch.job) continue;
                if (record->change == Record::Change::erase_job) return none;
                if (record->kind != fetch.kind || record->number != fetch.number) continue;
                return record->change == Record::Change::put ? Fetched{.record = *record} : none;
            }
            return std::nullopt;
        };
        {
            std::lock_guard lock(mutex_);
            if (auto found = newest_in(queue_)) return *std::move(found);
        }
        if (auto found = newest_in(batch)) return *std::move(found);
        std::lock_guard lock(database_);
        get_.bind(1, key_of(fetch.job))
            .bind(2, fetch.kind)
            .bind(3, static_cast<std::int64_t>(fetch.number));
        std::optional<Record> record;
        try {
            if (get_.next()) record = read(get_);
        } catch (const Damage&) {  // told as unsound
        }
        get_.reset();
        return record ? Fetched{.record = *std::move(record)} : none;
    }

    /// Commits the batch, however long the disk refuses it; false when the store ends before.
    /// Answers what is asked for meanwhile.
    bool commit_at_last(const std::vector<Record>& batch, bool& troubled) {
        for (int result = commit(batch); result != SQLITE_OK; result = commit(batch)) {
            if (!std::exchange(troubled, true))
                options_.on_trouble("cannot write " + path_ + ": " + sqlite3_errstr(result) +
                                    "; make room on that disk, it is tried again each second");
            auto until = std::chrono::steady_clock::now() + retry_after;
            std::unique_lock lock(mutex_);
            while (
                changed_.wait_until(lock, until, [this] { return ending_ || !wanted_.empty(); })) {
                if (ending_) return false;
                auto wanted = std::exchange(wanted_, {});
                lock.unlock();
                answer(wanted, batch);
                lock.lock();
            }
        }
        if (std::exchange(troubled, false)) options_.on_trouble("");
        return true;
    }

    void write() {
        Ticket done = 0;
        bool troubled = false;
        for (;;) {
            std::vector<Record> batch;
            std::vector<Fetch> wanted;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock,
                              [this] { return !queue_.empty() || !wanted_.empty() || ending_; });
                if (queue_.empty() && ending_) return;
                wanted.swap(wanted_);
                if (wanted.empty()) batch.swap(queue_);
            }
            answer(wanted, {});
            if (batch.empty()) continue;
            if (!commit_at_last(batch, troubled)) return;
            done += batch.size();
            std::uint64_t bytes = 0;
            for (const Record& record : batch) bytes += record.body.size();
            options_.on_commit(done, bytes);
        }
    }

    Options options_;
    std::string path_;
    Files files_;
    std::optional<LogMark> mark_;
    int log_frames_ = 0;  // after the last commit
    std::uint64_t epoch_ = 0;
    Statement put_, erase_, erase_job_, get_;
    std::mutex database_;  // load() against the writer

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Record> queue_;
    std::vector<Fetch> wanted_;
    Ticket appended_ = 0;
    bool ending_ = false;
    std::thread writer_;
};

Store::Store(Options options) : state_(std::make_unique<State>(std::move(options))) {}
Store::~Store() = default;
std::uint64_t Store::epoch() const { return state_->epoch(); }
void Store::load(const std::function<void(Record)>& take) { state_->load(take); }
Ticket Store::append(std::vector<Record> records) { return state_->append(std::move(records)); }
void Store::fetch(Fetch wanted) { state_->fetch(wanted); }

}  // namespace fanfold
