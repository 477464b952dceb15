// A component's state on disk: records of jobs in one SQLite file, written by one thread in group
// commits. append(), fetch() and the constructor's caller share a thread; `on_commit`, `on_trouble`
// and `on_fetched` are called on the store's own.
//
// Invariants:
// - a ticket is told by on_commit only when every record up to it is on disk (WAL,
// synchronous=FULL), in the order of appending;
// - one process at a time holds the folder, and in it one connection reads, writes and checkpoints;
// - what is read back is what was written, or the start is refused: every row bears a checksum.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "shared/store/record.hpp"

namespace fanfold {

class Database;

class Store {
public:
    struct Options {
        std::string folder;  // made if it is not there
        std::string name;    // of the file in it: broker, gatherer
        int format = 0;      // of the component's rows: a store with those of another is refused
        std::function<void(Ticket, std::uint64_t body_bytes)>
            on_commit;  // bytes: of the bodies committed since the last call
        /// The disk is full or failing: what is appended waits and is tried again each second; the
        /// text says what and how to mend it. An empty text: it works again.
        std::function<void(std::string)> on_trouble;
        std::function<void(std::string)> on_damage = {};  // nothing is written after this
        std::function<void(Fetched)> on_fetched = {};
        /// How often it sees whether its file is still in its place while nothing is written.
        std::chrono::milliseconds look_every = std::chrono::seconds(20);
    };
    /// Opens or makes the store and raises its epoch. Throws StartupError naming the path and the
    /// way out: another process holds it, it is on a network filesystem, not writable, damaged, of
    /// a newer schema, or with rows of another format.
    explicit Store(Options options);
    /// Commits what is appended, unless the disk refuses it.
    ~Store();
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;

    /// How often it was opened.
    std::uint64_t epoch() const;
    /// Reads all rows, by job, kind and number.
    /// Called before the first append. Throws StartupError for a damaged row.
    void load(const std::function<void(Record)>& take);

    /// Hands records over; returns the ticket of the last one.
    Ticket append(std::vector<Record> records);
    /// Reads a row as it was appended last, whether or not it is on disk yet; on_fetched tells.
    /// Works while the disk refuses commits.
    void fetch(Fetch wanted);

private:
    Fetched find(const Fetch& fetch, const std::vector<Record>& batch);
    void answer(const std::vector<Fetch>& wanted, const std::vector<Record>& batch);
    /// Why the batch is not on disk, and the way out; nothing when it is.
    std::optional<std::string> commit(const std::vector<Record>& batch, bool& damaged);
    bool commit_at_last(const std::vector<Record>& batch);
    void set_trouble(const std::string& text);
    void look();
    void write();

    Options options_;
    std::unique_ptr<Database> database_;  // after the load the writer alone uses it
    std::mutex database_mutex_;           // load() against the writer
    std::string trouble_;                 // the writer's: what on_trouble said last
    // Between the caller's thread and the writer's.
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<Record> queue_;
    std::vector<Fetch> wanted_;
    Ticket appended_ = 0;
    bool ending_ = false;
    std::thread writer_;  // begins when all else is there
};

}  // namespace fanfold
