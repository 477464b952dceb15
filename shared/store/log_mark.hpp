// How far a store's write-ahead log had come, told in a file of its own beside it. SQLite takes a
// damaged frame of the log for the torn end of a write, and drops all that follows; with the mark
// such a loss is noticed. Used on the thread that commits.
//
// The mark is written after the commit and not synced: it outlives the process, not the machine,
// and never claims too much.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

namespace fanfold {

class LogMark {
public:
    /// `database` is the path of the database file. Reads the log's beginning and the mark: before
    /// SQLite opens them.
    explicit LogMark(const std::string& database);
    ~LogMark();
    LogMark(const LogMark&) = delete;
    LogMark& operator=(const LogMark&) = delete;

    /// Whether a store was made here before: its database is not empty then.
    bool knows_a_store() const { return marked_.has_value(); }
    /// Whether a log in which SQLite found `frames` sound frames has all that the mark knows of.
    bool holds(int frames) const;
    /// The log has so many frames, all synced.
    void set(int frames);
    /// The log is about to be removed in good order: what it had will be in the database.
    void close_well();

private:
    using Header = std::array<std::uint8_t, 32>;  // of the log
    struct Content {
        Header header{};  // all zero: it was closed well
        std::uint64_t frames = 0;
        std::uint64_t checksum = 0;
    };

    void write(Content content);
    static std::uint64_t checksum_of(const Content& content);
    std::optional<Header> read_header() const;

    std::string log_path_;
    std::string path_;
    std::optional<Header> found_;    // at the start
    std::optional<Content> marked_;  // at the start
    int file_ = -1;
};

}  // namespace fanfold
