// One job's results, put together by index: what is received and what is still held. Owned by the
// gatherer's core, on its thread.
//
// Invariants (checked by check_invariants()):
// - every entry held is of received fragments, no two overlap, and each has one place in the order
//   of storing;
// - what is received is either held in an entry or let go of;
// - nothing is received at or past a known total;
// - held_bytes() is the sum over the entries, memory_bytes() that without the bodies that are in
//   the store alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "gatherer/core/policy.hpp"
#include "gatherer/core/receipts.hpp"
#include "gatherer/core/rows.hpp"
#include "shared/base/range_set.hpp"
#include "shared/events/events.hpp"

namespace fanfold::gatherer {

/// A run of values from one message, or one failure.
struct Entry {
    std::uint64_t sequence = 0;  // its place in the order of storing
    std::uint32_t count = 1;     // of fragments
    Slice body;                  // the values, or the failure's outputs; empty while it is spilled
    wire::RunMeta meta;          // of values
    std::unique_ptr<wire::Failure> failure;  // set: a failure
    std::uint64_t body_bytes = 0;            // of the body, wherever it is
    bool spilled = false;                    // the body is in the store alone

    /// What is held of it, wherever its body is, with an allowance for the books around it.
    std::uint64_t bytes() const;
};

class Assembly {
public:
    using Entries = std::map<Index, Entry>;        // by first fragment
    using Order = std::map<std::uint64_t, Index>;  // sequence → first fragment

    explicit Assembly(wire::JobSpec spec) : spec_(std::move(spec)) {}

    /// The total is known now. What was received past it is dropped; returns how many fragments
    /// that were.
    std::uint64_t seal(std::uint64_t total);

    /// Stores those parts of the run that are new and wanted; returns how many fragments that were.
    /// `body` holds exactly `results.count` objects, and the run does not pass a known total.
    std::uint64_t add(const wire::Results& results, const Slice& body);
    /// Stores the failure of a fragment below a known total; false if the fragment was received
    /// before.
    bool add(wire::Failure failure, const Slice& output);

    /// Lets go of an entry that everybody has; it stays received.
    void free(Index first);
    /// Lets go of everything held. What had a value is listed as missing from now on.
    void abandon();

    /// Lets go of the memory of an entry's body, which is in the store.
    void spill(std::uint64_t sequence);
    /// The body of a spilled entry, as its row has it: perhaps with more values than the entry.
    /// False: it is not what was spilled.
    bool put_back(std::uint64_t sequence, const EntryRow& row, const Slice& body);

    /// The job gathers again, by this spec: what ended without a value is not received any more.
    void start_round(wire::JobSpec spec);

    // Rebuilding what an earlier life had: sealed first, then what it let go, then the entries.
    /// What lies past the total is left out. False: some of it ended in another way.
    bool restore_let_go(LetGo what, std::vector<Range> ranges);
    void restore_next_sequence(std::uint64_t next) {
        next_sequence_ = std::max(next_sequence_, next);
    }
    /// An entry with its sequence; what lies past the total, or is let go, is left out. False: it
    /// makes no sense.
    bool restore(Index first, Entry entry);

    const wire::JobSpec& spec() const { return spec_; }
    std::optional<std::uint64_t> total() const { return total_; }
    const Receipts& receipts() const { return receipts_; }
    const RangeSet& received() const { return receipts_.received(); }
    const Entries& entries() const { return entries_; }
    const Order& order() const { return order_; }
    std::uint64_t next_sequence() const { return next_sequence_; }
    std::uint64_t held_bytes() const { return held_bytes_; }
    std::uint64_t memory_bytes() const { return held_bytes_ - spilled_bytes_; }
    /// The entries whose bodies could be spilled, by sequence, and the bytes of those.
    const std::set<std::uint64_t>& bodies() const { return bodies_; }
    std::uint64_t bodies_bytes() const { return bodies_bytes_; }
    Counts counts(bool deadline_reached) const {
        return {receipts_.values(), receipts_.failures(), total_, deadline_reached};
    }

    void check_invariants() const;

private:
    void insert(Index first, Entry entry);
    void count_in(Entry& entry);
    void count_out(const Entry& entry);
    void let_go(LetGo what, Index first, const Entry& entry);
    Entries::iterator erase(Entries::iterator at);

    wire::JobSpec spec_;
    std::optional<std::uint64_t> total_;
    Receipts receipts_;
    Entries entries_;
    Order order_;
    std::uint64_t next_sequence_ = 0;
    std::uint64_t held_bytes_ = 0;
    std::uint64_t spilled_bytes_ = 0;
    std::set<std::uint64_t> bodies_;
    std::uint64_t bodies_bytes_ = 0;
};

/// A piece of a received body that may be kept for long: copied when it is small, or when it would
/// pin much more than itself.
Slice keep(const Slice& body, std::size_t offset, std::size_t length);

}  // namespace fanfold::gatherer
