// The disk of a host under virtual time, as shared/store/store.hpp and shared/store/journal.hpp use
// one: records wait, a group of them becomes durable at once after a while, and who died meanwhile
// finds all of a group or nothing. A full disk refuses groups, and is tried again each second. It
// outlives the processes on its host. One thread.
//
// Invariant: what a life was told to be committed is in the rows that each later life reads.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "shared/store/store.hpp"
#include "tests/simulation/bugs.hpp"
#include "tests/simulation/random.hpp"
#include "tests/simulation/scheduler.hpp"

namespace fanfold::simulation {

/// When a process dies, as seen from its disk.
enum class Moment : std::uint8_t {
    any,            // whenever it is
    before_commit,  // all of a group is written, and it is not committed
    after_commit,   // it is, and the process does not know
    amid_sends,     // it knows, and has said a part of what it may say now
    amid_step,      // a part of what a step asks for is done
};

class Disk {
public:
    struct News {
        Ticket committed = 0;  // 0: it is about something else
        std::uint64_t committed_bytes = 0;
        std::optional<std::string> trouble = {};
        std::optional<Fetched> fetched = {};
    };

    Disk(Scheduler& scheduler, Random random, Bug bug, Duration least, Duration most)
        : scheduler_(scheduler), random_(random), bug_(bug), least_(least), most_(most) {}

    /// A process begins: `tell` brings it the news. Returns its epoch's number.
    std::uint64_t open(std::function<void(News)> tell);
    /// The process is dead. A group under way is committed or not.
    void close();
    void load(const std::function<void(const Record&)>& take) const;
    Ticket append(std::vector<Record> records);
    void fetch(const Fetch& wanted);

    // --- faults
    void set_full(bool full) { full_ = full; }
    /// What is committed now is what a later life finds, if it is put back.
    void keep_copy() { copy_ = {rows_, epoch_}; }
    /// Of one that is dead. Without a copy it has nothing.
    void put_back() { std::tie(rows_, epoch_) = std::exchange(copy_, {}); }
    bool full() const { return full_; }
    /// Calls `strike`, which kills the process, at the next commit: just before it or just after
    /// it.
    void arm(Moment moment, std::function<void()> strike) {
        moment_ = moment, strike_ = std::move(strike);
    }

    std::uint64_t commits() const { return commits_; }
    std::uint64_t fetches() const { return fetches_; }

private:
    using Name = std::tuple<JobId, std::uint8_t, std::uint64_t>;
    static Name name_of(const Record& record) { return {record.job, record.kind, record.number}; }
    void begin_commit();
    void end_commit(std::uint64_t life);
    void apply(const Record& record);
    void apply_group(std::size_t count);
    bool strikes(Moment moment);
    Fetched look_up(const Fetch& wanted) const;

    Scheduler& scheduler_;
    Random random_;
    Bug bug_;
    Duration least_, most_;  // of a commit
    std::map<Name, Record> rows_;
    std::uint64_t epoch_ = 0;
    std::pair<std::map<Name, Record>, std::uint64_t> copy_;
    bool full_ = false;
    Moment moment_ = Moment::any;
    std::function<void()> strike_;
    // of the life under way
    std::uint64_t life_ = 0;
    std::function<void(News)> tell_;
    std::vector<Record> queue_, group_;
    bool troubled_ = false;
    Ticket appended_ = 0, committed_ = 0;
    std::uint64_t commits_ = 0, fetches_ = 0;
};

/// Between a core and its sockets, as shared/store/journal.hpp: what is said after a record waits
/// for its commit. Without a disk nothing waits.
class SimulatedJournal {
public:
    struct Told {
        std::optional<std::string> trouble;
        std::vector<Fetched> fetched;
        std::optional<Committed> committed;
    };

    /// `awake` is called when there is something to read().
    SimulatedJournal(Disk* disk, std::function<void()> awake);

    std::uint64_t epoch() const { return epoch_; }
    void append(Record record);
    void hand_over();
    void fetch(const Fetch& wanted);
    bool safe() const { return committed_ == appended_ && held_.empty(); }
    void when_safe(std::function<void()> say);
    /// Says what is safe now, as long as `goes_on` says so, and returns the rest.
    Told read(const std::function<bool()>& goes_on);
    /// What would be said by read().
    std::size_t due() const;

private:
    Disk* disk_;
    std::function<void()> awake_;
    std::uint64_t epoch_ = 0;
    std::deque<Disk::News> mailbox_;
    std::vector<Record> records_;
    Ticket appended_ = 0, committed_ = 0;
    std::uint64_t waiting_bytes_ = 0;
    std::deque<std::pair<Ticket, std::function<void()>>> held_;
};

}  // namespace fanfold::simulation
