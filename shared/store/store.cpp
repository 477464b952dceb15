#include "shared/store/store.hpp"

#include <iterator>
#include <utility>

#include "shared/base/limits.hpp"
#include "shared/store/database.hpp"

namespace fanfold {

namespace {

/// What the records make of the row; nothing when they are not about it.
std::optional<Fetched> newest_in(const std::vector<Record>& records, const Fetched& none) {
    const Record& wanted = none.record;
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
        if (record->job != wanted.job) continue;
        if (record->change == Record::Change::erase_job) return none;
        if (record->kind != wanted.kind || record->number != wanted.number) continue;
        return record->change == Record::Change::put ? Fetched{.record = *record} : none;
    }
    return std::nullopt;
}

/// What an operator can do about a disk that refuses.
const char* way_out(int result) {
    switch (result) {
        case SQLITE_FULL: return "; make room on that disk, it is tried again each second";
        case SQLITE_IOERR:
            return "; make room on that disk, also in quotas and limits of files, or see what the "
                   "system's log says about it; it is tried again each second";
        case SQLITE_READONLY:
        case SQLITE_PERM: return "; make it writable, it is tried again each second";
        default: return "; it is tried again each second";
    }
}

}  // namespace

Store::Store(Options options)
    : options_(std::move(options)),
      database_(std::make_unique<Database>(options_.folder + "/" + options_.name + ".db",
                                           options_.format)),
      writer_([this] { write(); }) {}

Store::~Store() {
    {
        std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    writer_.join();
}

std::uint64_t Store::epoch() const { return database_->epoch(); }

void Store::load(const std::function<void(Record)>& take) {
    std::lock_guard lock(database_mutex_);
    database_->load(take);
}

Ticket Store::append(std::vector<Record> records) {
    std::lock_guard lock(mutex_);
    appended_ += records.size();
    if (queue_.empty()) queue_ = std::move(records);
    else
        queue_.insert(queue_.end(), std::make_move_iterator(records.begin()),
                      std::make_move_iterator(records.end()));
    changed_.notify_all();
    return appended_;
}

void Store::fetch(Fetch wanted) {
    std::lock_guard lock(mutex_);
    wanted_.push_back(wanted);
    changed_.notify_all();
}

/// The row from what waits to be written if it is there, else from the disk.
Fetched Store::find(const Fetch& fetch, const std::vector<Record>& batch) {
    const Fetched none{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                       .sound = false};
    {
        std::lock_guard lock(mutex_);
        if (auto found = newest_in(queue_, none)) return *std::move(found);
    }
    if (auto found = newest_in(batch, none)) return *std::move(found);
    std::lock_guard lock(database_mutex_);
    auto record = database_->find(fetch);
    return record ? Fetched{.record = *std::move(record)} : none;
}

void Store::answer(const std::vector<Fetch>& wanted, const std::vector<Record>& batch) {
    for (const Fetch& fetch : wanted) options_.on_fetched(find(fetch, batch));
}

int Store::commit(const std::vector<Record>& batch) {
    std::lock_guard lock(database_mutex_);
    return database_->commit(batch);
}

/// Commits the batch, however long the disk refuses it; false when the store ends before. Answers
/// what is asked for meanwhile.
bool Store::commit_at_last(const std::vector<Record>& batch, bool& troubled) {
    for (int result = commit(batch); result != SQLITE_OK; result = commit(batch)) {
        if (result == SQLITE_CORRUPT || result == SQLITE_NOTADB) {
            options_.on_damage(database_->damage(sqlite3_errstr(result)));
            return false;
        }
        if (!std::exchange(troubled, true))
            options_.on_trouble("cannot write " + database_->path() + ": " +
                                sqlite3_errstr(result) + way_out(result));
        auto until = std::chrono::steady_clock::now() + limits::store_retry;
        std::unique_lock lock(mutex_);
        while (changed_.wait_until(lock, until, [this] { return ending_ || !wanted_.empty(); })) {
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

void Store::write() {
    Ticket done = 0;
    bool troubled = false;
    for (;;) {
        std::vector<Record> batch;
        std::vector<Fetch> wanted;
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return !queue_.empty() || !wanted_.empty() || ending_; });
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

}  // namespace fanfold
