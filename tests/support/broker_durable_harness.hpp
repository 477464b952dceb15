// A stage for the broker's core with a disk, which outlives its core.
#pragma once

#include <algorithm>
#include <tuple>

#include "tests/support/broker_harness.hpp"

namespace fanfold::broker {

/// A durable stage with its disk: what is persisted is on it at once, and restart() is a death by
/// SIGKILL and a new life.
struct Durable : Stage {
    using Key = std::tuple<JobId, std::uint8_t, std::uint64_t>;
    std::map<Key, Record> disk;
    std::uint64_t life = 1;
    std::uint64_t memory_bytes = limits::broker_memory_bytes;
    std::vector<Fetch> fetches;  // not answered yet
    bool written = false;        // in the step under way

    Options durable() const {
        return {.epoch = {life, life},
                .blocks = {"inproc://blocks"},
                .memory_bytes = memory_bytes,
                .durable = true,
                .started = now,
                .started_since_1970 = 1'000'000s};
    }
    explicit Durable(std::uint64_t memory = limits::broker_memory_bytes) : memory_bytes(memory) {
        core = std::make_unique<Core>(durable());
        on_fetch = [this](const Fetch& fetch) { fetches.push_back(fetch); };
        on_persist = [this](const Record& record) { write(record); };
        after_step = [this] {
            if (std::exchange(written, false)) step(Committed{});
        };
        // A test with a disk is about what comes back: it looks at what it asks for.
        ignore<wire::Accepted, wire::AllowedKeys, wire::Assign, wire::Dispatch, wire::Drop,
               wire::Ended, wire::Errors, wire::Forget, wire::Forgotten, wire::Located, wire::Mark,
               wire::Notice, wire::Refused, wire::Release, wire::Retried, wire::Sealed,
               wire::SendAgain, wire::Welcome>();
    }
    void write(const Record& record) {
        written = true;
        switch (record.change) {
            case Record::Change::put:
                disk[{record.job, record.kind, record.number}] = record;
                break;
            case Record::Change::erase: disk.erase({record.job, record.kind, record.number}); break;
            case Record::Change::erase_job:
                std::erase_if(disk, [&](const auto& row) { return row.second.job == record.job; });
                break;
        }
    }
    void restart() {
        ++life;
        fetches.clear();
        core = std::make_unique<Core>(durable());
        for (const auto& [key, record] : disk) core->restore(record);
        core->restored();
        skip();
    }
    /// The disk answers what was asked for.
    void serve() {
        while (!fetches.empty()) {
            Fetch fetch = fetches.front();
            fetches.erase(fetches.begin());
            auto row = disk.find({fetch.job, fetch.kind, fetch.number});
            Fetched none{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                         .sound = false};
            step(row == disk.end() ? none : Fetched{.record = row->second});
        }
    }
    std::size_t rows(rows::Kind kind) const {
        return static_cast<std::size_t>(std::ranges::count_if(disk, [&](const auto& row) {
            return row.second.kind == static_cast<std::uint8_t>(kind);
        }));
    }
    void fleet() {
        client("c");
        gatherer("g");
        worker("w");
    }
    /// Time in which the peers are alive; the worker says that it holds what it says first.
    void live(Duration time, wire::Heartbeat inventory = {}) {
        for (; time > Duration(0); time -= 500ms) {
            pass(500ms);
            say("w", inventory);
            say("g", wire::Heartbeat{});
            say("c", wire::Heartbeat{});
        }
    }
    const Job& job(JobId id) { return core->jobs().at(id); }
};

}  // namespace fanfold::broker
