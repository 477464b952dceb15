#include "shared/store/store.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "shared/base/limits.hpp"
#include "shared/store/database.hpp"

namespace fanfold {

/// Queues between the caller's thread and the writer's, which alone uses the database after the
/// load.
class Store::State {
public:
    explicit State(Options options)
        : options_(std::move(options)),
          database_({.folder = {.path = options_.folder, .name = options_.name},
                     .format = options_.format}) {
        writer_ = std::thread([this] { write(); });
    }
    ~State() {
        {
            std::lock_guard lock(mutex_);
            ending_ = true;
        }
        changed_.notify_all();
        writer_.join();
    }

    std::uint64_t epoch() const { return database_.epoch(); }

    void load(const std::function<void(Record)>& take) {
        std::lock_guard lock(database_mutex_);
        database_.load(take);
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
    /// What the records make of the row; nothing when they are not about it.
    static std::optional<Fetched> newest_in(const std::vector<Record>& records,
                                            const Fetched& none) {
        const Record& wanted = none.record;
        for (auto record = records.rbegin(); record != records.rend(); ++record) {
            if (record->job != wanted.job) continue;
            if (record->change == Record::Change::erase_job) return none;
            if (record->kind != wanted.kind || record->number != wanted.number) continue;
            return record->change == Record::Change::put ? Fetched{.record = *record} : none;
        }
        return std::nullopt;
    }

    /// The row from what waits to be written if it is there, else from the disk.
    Fetched find(const Fetch& fetch, const std::vector<Record>& batch) {
        const Fetched none{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                           .sound = false};
        {
            std::lock_guard lock(mutex_);
            if (auto found = newest_in(queue_, none)) return *std::move(found);
        }
        if (auto found = newest_in(batch, none)) return *std::move(found);
        std::lock_guard lock(database_mutex_);
        auto record = database_.find(fetch);
        return record ? Fetched{.record = *std::move(record)} : none;
    }

    void answer(const std::vector<Fetch>& wanted, const std::vector<Record>& batch) {
        for (const Fetch& fetch : wanted) options_.on_fetched(find(fetch, batch));
    }

    int commit(const std::vector<Record>& batch) {
        std::lock_guard lock(database_mutex_);
        return database_.commit(batch);
    }

    /// Commits the batch, however long the disk refuses it; false when the store ends before.
    /// Answers what is asked for meanwhile.
    bool commit_at_last(const std::vector<Record>& batch, bool& troubled) {
        for (int result = commit(batch); result != SQLITE_OK; result = commit(batch)) {
            if (!std::exchange(troubled, true))
                options_.on_trouble("cannot write " + database_.path() + ": " +
                                    sqlite3_errstr(result) +
                                    "; make room on that disk, it is tried again each second");
            auto until = std::chrono::steady_clock::now() + limits::store_retry;
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
    Database database_;
    std::mutex database_mutex_;  // load() against the writer

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
