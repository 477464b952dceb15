// A gatherer's core with a store that commits when it is told to, for tests that kill it in
// between.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <tuple>

#include "tests/support/gatherer_harness.hpp"

namespace fanfold::gatherer {

/// What is committed, in the order in which a store reads it.
class Disk {
public:
    void change(const Record& record) {
        switch (record.change) {
            case Record::Change::put:
                rows_[{record.job, record.kind, record.number}] = record;
                return;
            case Record::Change::erase:
                rows_.erase({record.job, record.kind, record.number});
                return;
            case Record::Change::erase_job:
                std::erase_if(rows_, [&](const auto& row) {
                    return std::get<JobId>(row.first) == record.job;
                });
                return;
        }
    }
    std::size_t rows_of(const JobId& job, Row kind) const {
        return static_cast<std::size_t>(
            std::count_if(rows_.begin(), rows_.end(), [&](const auto& row) {
                return std::get<JobId>(row.first) == job &&
                       row.second.kind == static_cast<std::uint8_t>(kind);
            }));
    }
    std::size_t rows_of(const JobId& job) const {
        return static_cast<std::size_t>(
            std::count_if(rows_.begin(), rows_.end(),
                          [&](const auto& row) { return std::get<JobId>(row.first) == job; }));
    }
    std::optional<Record> find(const Fetch& fetch) const {
        auto row = rows_.find({fetch.job, fetch.kind, fetch.number});
        return row == rows_.end() ? std::nullopt : std::optional(row->second);
    }
    template <class Take>
    void each(Take take) const {
        for (const auto& [key, record] : rows_) take(record);
    }
    void load(Core& core) const {
        each([&](const Record& record) { core.restore(record); });
        REQUIRE(core.unreadable_rows() == 0);
    }

private:
    std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record> rows_;
};

/// A core with its store: what it says comes out when what it rests on is committed. Each life has
/// a steady clock of its own.
class Process {
public:
    explicit Process(Disk& disk) : disk_(disk) { start(); }

    void start(Duration steady = 1h) {
        pending_.clear();
        said.clear();
        fetches.clear();
        steady_began_ = wall - steady;
        Options options = Stage::durable_with(memory_bytes);
        options.steady_began = std::chrono::duration_cast<std::chrono::milliseconds>(steady_began_);
        core = std::make_unique<Core>(options);
        disk_.load(*core);
        step(Tick{});
    }
    void step(Event event) {
        std::vector<Action> actions;
        core->step(Time{wall - steady_began_}, std::move(event), actions);
        core->check_invariants();
        for (Action& action : actions) {
            if (auto* note = std::get_if<Note>(&action)) {
                if (note->level == Level::error) errors.push_back(note->detail);
            } else if (auto* fetch = std::get_if<Fetch>(&action)) {
                fetches.push_back(*fetch);
            } else {
                pending_.push_back(std::move(action));
            }
        }
        release();
    }
    void say(wire::Message message, std::string body = {}) {
        step(FromBroker{std::move(message), Slice::take(std::move(body))});
    }

    std::size_t uncommitted() const {
        return static_cast<std::size_t>(std::count_if(
            pending_.begin(), pending_.end(),
            [](const Action& action) { return std::holds_alternative<Persist>(action); }));
    }
    /// So many records are on disk now, and what waited for them is said.
    void commit(std::size_t records) {
        for (; records > 0 && !pending_.empty(); --records) {
            disk_.change(std::get<Persist>(pending_.front()));
            pending_.pop_front();
            release();
        }
        std::uint64_t waiting = 0;
        for (const Action& action : pending_)
            if (auto* record = std::get_if<Persist>(&action)) waiting += record->body.size();
        step(Committed{.waiting_bytes = waiting});
    }
    /// Answers one of the fetches with the row as it was written last, committed or not.
    void answer(std::size_t which = 0) {
        Fetch fetch = fetches.at(which);
        fetches.erase(fetches.begin() + static_cast<std::ptrdiff_t>(which));
        std::optional<Record> row = disk_.find(fetch);
        for (const Action& action : pending_) {
            auto* record = std::get_if<Persist>(&action);
            if (!record || record->job != fetch.job) continue;
            if (record->change == Record::Change::erase_job) row.reset();
            else if (record->kind != fetch.kind || record->number != fetch.number) continue;
            else if (record->change == Record::Change::put) row = *record;
            else row.reset();
        }
        if (row) step(Fetched{.record = *row});
        else
            step(Fetched{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                         .sound = false});
    }
    void commit_all() { commit(pending_.size()); }

    std::uint64_t memory_bytes = std::uint64_t{1} << 30;
    Duration wall{std::chrono::hours{24 * 365 * 55}};
    std::unique_ptr<Core> core;
    std::deque<Action> said;
    std::vector<std::string> errors;
    std::vector<Fetch> fetches;

private:
    static bool at_once(const Action& action) {
        auto* send = std::get_if<SendBroker>(&action);
        return send && (std::holds_alternative<wire::Hello>(send->message) ||
                        std::holds_alternative<wire::Heartbeat>(send->message));
    }
    void release() {
        for (auto at = pending_.begin(); at != pending_.end();) {
            if (!at_once(*at)) {
                ++at;
                continue;
            }
            said.push_back(std::move(*at));
            at = pending_.erase(at);
        }
        while (!pending_.empty() && !std::holds_alternative<Persist>(pending_.front())) {
            said.push_back(std::move(pending_.front()));
            pending_.pop_front();
        }
    }

    Disk& disk_;
    Duration steady_began_{};
    std::deque<Action> pending_;  // in order; begins with a record that is not committed
};

}  // namespace fanfold::gatherer
