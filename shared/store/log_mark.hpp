// How many frames a store's write-ahead log has, told in a file of its own beside it. SQLite takes
// a damaged frame of the log for the torn end of a write, and drops all that follows; with the mark
// such a loss is noticed. Used on the thread that commits.
//
// The mark never claims too much. It is written after the commit that it tells of, and not synced:
// it outlives the process, and on a machine that fails it may be an older one. Only a mark of no
// frames is synced: the log may start over from then on, and an older mark must not come back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace fanfold {

class LogMark {
public:
    /// `database` is the path of the database file. Reads the mark.
    explicit LogMark(const std::string& database);
    ~LogMark();
    LogMark(const LogMark&) = delete;
    LogMark& operator=(const LogMark&) = delete;

    /// Whether a store was made here before: its database is not empty then.
    bool knows_a_store() const { return frames_.has_value(); }
    /// Whether a log in which SQLite found `frames` sound frames has all that the mark knew of at
    /// the start.
    bool holds(int frames) const {
        return !frames_ || (frames >= 0 ? static_cast<std::uint64_t>(frames) : 0) >= *frames_;
    }
    /// The log has so many frames, all synced.
    void set(int frames);
    /// All that the log has is in the database, synced. To be called before the log starts over, or
    /// is removed.
    void set_emptied();

private:
    bool write(std::uint64_t frames);
    void forget();

    std::string path_;
    std::optional<std::uint64_t> frames_;  // at the start
    int file_ = -1;
};

}  // namespace fanfold
