// What tests of the store have in common: folders, rows, a store that remembers what it told.
#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/base/result.hpp"
#include "shared/store/store.hpp"
#include "tests/support/recorder.hpp"

namespace fanfold::store_testing {

using namespace std::chrono_literals;

/// A folder of its own, gone at the end.
class Folder {
public:
    Folder() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "fanfold-store-XXXXXX").string();
        REQUIRE(mkdtemp(pattern.data()) != nullptr);
        path_ = pattern;
    }
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    const std::string& path() const { return path_; }
    std::string file(const std::string& ending) const { return path_ + "/test" + ending; }

private:
    std::string path_;
};

using fanfold::testing::job_number;

using Key = std::tuple<JobId, std::uint8_t, std::uint64_t>;
using Rows = std::map<Key, std::pair<std::string, std::string>>;

inline Record put(std::uint8_t job, std::uint8_t kind, std::uint64_t number, std::string data,
                  std::string body = {}) {
    return {.change = Record::Change::put,
            .job = job_number(job),
            .kind = kind,
            .number = number,
            .data = std::move(data),
            .body = Slice::take(std::move(body))};
}

inline void change(Rows& rows, const Record& record) {
    switch (record.change) {
        case Record::Change::put:
            rows[{record.job, record.kind, record.number}] = {record.data,
                                                              std::string(record.body.view())};
            return;
        case Record::Change::erase: rows.erase({record.job, record.kind, record.number}); return;
        case Record::Change::erase_job:
            std::erase_if(
                rows, [&](const auto& row) { return std::get<JobId>(row.first) == record.job; });
            return;
    }
}

/// A store, and what it has told.
class Opened {
public:
    explicit Opened(const std::string& folder)
        : store({.folder = folder,
                 .name = "test",
                 .on_commit =
                     [this](Ticket ticket, std::uint64_t) {
                         std::lock_guard lock(mutex_);
                         in_order_ = in_order_ && ticket > committed_;
                         committed_ = ticket;
                         changed_.notify_all();
                     },
                 .on_trouble =
                     [this](std::string text) {
                         std::lock_guard lock(mutex_);
                         troubles_.push_back(std::move(text));
                         changed_.notify_all();
                     },
                 .on_damage =
                     [this](std::string text) {
                         std::lock_guard lock(mutex_);
                         damage_ = std::move(text);
                         changed_.notify_all();
                     },
                 .on_fetched =
                     [this](Fetched fetched) {
                         std::lock_guard lock(mutex_);
                         fetched_.push_back(std::move(fetched));
                         changed_.notify_all();
                     },
                 .look_every = 20ms}) {}

    Rows load() {
        Rows rows;
        std::optional<Key> before;
        store.load([&](Record record) {
            Key key{record.job, record.kind, record.number};
            CHECK((!before || *before < key));
            before = key;
            change(rows, record);
        });
        return rows;
    }
    bool wait_for(Ticket ticket, std::chrono::seconds patience = 30s) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return committed_ >= ticket; });
    }
    std::string wait_for_trouble(std::size_t count, std::chrono::seconds patience = 30s) {
        std::unique_lock lock(mutex_);
        bool came = changed_.wait_for(lock, patience, [&] { return troubles_.size() >= count; });
        return came ? troubles_[count - 1] : "nothing came";
    }
    std::string wait_for_damage() {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, 30s, [&] { return !damage_.empty(); });
        return damage_;
    }
    /// Asks for a row and waits for the answer.
    Fetched fetch(std::uint8_t job, std::uint8_t kind, std::uint64_t number) {
        store.fetch({.job = job_number(job), .kind = kind, .number = number});
        std::unique_lock lock(mutex_);
        REQUIRE(changed_.wait_for(lock, 30s, [&] { return !fetched_.empty(); }));
        Fetched fetched = std::move(fetched_.front());
        fetched_.erase(fetched_.begin());
        CHECK(fetched.record.job == job_number(job));
        CHECK(fetched.record.kind == kind);
        CHECK(fetched.record.number == number);
        return fetched;
    }
    bool in_order() {
        std::lock_guard lock(mutex_);
        return in_order_;
    }
    Ticket committed() {
        std::lock_guard lock(mutex_);
        return committed_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    Ticket committed_ = 0;
    bool in_order_ = true;
    std::string damage_;
    std::vector<std::string> troubles_;
    std::vector<Fetched> fetched_;

public:
    Store store;  // ends first: it calls back into the others
};

inline std::string refusal(const std::string& folder) {
    try {
        Opened opened(folder);
        opened.load();
        return {};
    } catch (const StartupError& error) {
        return error.what();
    }
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

inline std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
inline void write_file(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// Rows of many sizes: some in one page, some over several.
inline Rows fill(Opened& opened, int count) {
    Rows rows;
    std::vector<Record> records;
    for (int i = 0; i < count; ++i)
        records.push_back(put(static_cast<std::uint8_t>(i % 3),
                              static_cast<std::uint8_t>(1 + i % 4), static_cast<std::uint64_t>(i),
                              "data " + std::to_string(i),
                              std::string(static_cast<std::size_t>(i * 977 % 90'000),
                                          static_cast<char>('a' + i % 26))));
    for (const Record& record : records) change(rows, record);
    for (Record& record : records) {
        Ticket ticket = opened.store.append({std::move(record)});
        if (ticket % 7 == 0) REQUIRE(opened.wait_for(ticket));
    }
    REQUIRE(opened.wait_for(static_cast<Ticket>(count)));
    return rows;
}

}  // namespace fanfold::store_testing
