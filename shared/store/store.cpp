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

std::optional<std::string> Store::commit(const std::vector<Record>& batch, bool& damaged) {
    std::lock_guard lock(database_mutex_);
    if (auto gone = database_->why_out_of_place()) return gone;
    auto refusal = database_->commit(batch);
    if (!refusal) return std::nullopt;
    damaged = refusal->result == SQLITE_CORRUPT || refusal->result == SQLITE_NOTADB;
    if (damaged) return database_->damage(sqlite3_errstr(refusal->result));
    return "cannot write " + database_->path() + ": " + words_of(*refusal) +
           "; it is tried again each second";
}

/// Commits the batch, however long the disk refuses it; false when the store ends before. Answers
/// what is asked for meanwhile.
bool Store::commit_at_last(const std::vector<Record>& batch) {
    bool damaged = false;
    while (auto why = commit(batch, damaged)) {
        if (damaged) return options_.on_damage(*std::move(why)), false;
        set_trouble(*why);
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
    set_trouble({});
    return true;
}

void Store::set_trouble(const std::string& text) {
    if (std::exchange(trouble_, text) != text) options_.on_trouble(text);
}

/// While nothing is to be written nobody would notice that the file is gone.
void Store::look() {
    std::unique_lock lock(database_mutex_);
    auto gone = database_->why_out_of_place();
    lock.unlock();
    set_trouble(gone.value_or(""));
}

void Store::write() {
    Ticket done = 0;
    for (;;) {
        std::vector<Record> batch;
        std::vector<Fetch> wanted;
        {
            std::unique_lock lock(mutex_);
            const bool called = changed_.wait_for(lock, options_.look_every, [this] {
                return !queue_.empty() || !wanted_.empty() || ending_;
            });
            if (!called) {
                lock.unlock();
                look();
                continue;
            }
            if (queue_.empty() && ending_) return;
            wanted.swap(wanted_);
            if (wanted.empty()) batch.swap(queue_);
        }
        answer(wanted, {});
        if (batch.empty()) continue;
        if (!commit_at_last(batch)) return;
        done += batch.size();
        std::uint64_t bytes = 0;
        for (const Record& record : batch) bytes += record.body.size();
        options_.on_commit(done, bytes);
    }
}

}  // namespace fanfold
