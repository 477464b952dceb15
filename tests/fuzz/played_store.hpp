// A store in memory for the cores that keep rows: what was appended is safe once it is committed,
// and a crash may take what was not.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/store/store.hpp"
#include "tests/fuzz/bytes.hpp"

namespace fanfold::fuzz {

class PlayedStore {
public:
    /// Comes to the disk together with what was appended since the last seal().
    void append(Record record) { log_.push_back(std::move(record)); }
    void seal() {
        if (sealed() < log_.size()) ends_.push_back(log_.size());
    }
    void fetch(Fetch wanted) { fetches_.push_back(wanted); }

    /// All that was appended becomes safe.
    Committed commit() {
        for (Record& record : std::exchange(log_, {})) apply(rows_, std::move(record));
        ends_.clear();
        return {};
    }

    /// The answer to the oldest question. One that is not sound has the row's name alone.
    std::optional<Fetched> answer(bool sound) {
        if (fetches_.empty()) return std::nullopt;
        Fetch wanted = fetches_.front();
        fetches_.pop_front();
        Rows latest = rows_;
        for (const Record& record : log_) apply(latest, record);
        auto row = latest.find({wanted.job, wanted.kind, wanted.number});
        if (sound && row != latest.end()) return Fetched{row->second, true};
        return Fetched{{.job = wanted.job, .kind = wanted.kind, .number = wanted.number}, false};
    }

    /// The process dies; the last so many groups of records never came to the disk.
    void crash(std::size_t lost) {
        ends_.resize(ends_.size() - std::min(lost, ends_.size()));
        log_.resize(sealed());
        fetches_.clear();
        commit();
    }

    template <class Take>
    void each(Take take) const {
        for (const auto& [key, record] : rows_) take(record);
    }

private:
    using Rows = std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record>;

    std::size_t sealed() const { return ends_.empty() ? 0 : ends_.back(); }

    static void apply(Rows& rows, Record record) {
        switch (record.change) {
            case Record::Change::put:
                rows.insert_or_assign({record.job, record.kind, record.number}, std::move(record));
                return;
            case Record::Change::erase:
                rows.erase({record.job, record.kind, record.number});
                return;
            case Record::Change::erase_job:
                std::erase_if(rows, [&](const auto& row) {
                    return std::get<JobId>(row.first) == record.job;
                });
        }
    }

    Rows rows_;
    std::vector<Record> log_;
    std::vector<std::size_t> ends_;  // in the log, of groups
    std::deque<Fetch> fetches_;
};

/// Moments and pauses of every length that the cores know.
class PlayedClock {
public:
    Time now() const { return now_; }
    std::chrono::milliseconds since_1970() const {
        return std::chrono::milliseconds(1'700'000'000'000) +
               std::chrono::floor<std::chrono::milliseconds>(now_.time_since_epoch());
    }
    void advance(Bytes& event) {
        using namespace std::chrono_literals;
        static constexpr Duration jumps[] = {1ms, 0ms, 20ms, 100ms, 500ms, 1s,
                                             3s,  10s, 60s,  15min, 25h};
        now_ += event.pick(jumps);
    }

private:
    Time now_ = Time(std::chrono::hours(1));
};

}  // namespace fanfold::fuzz
