// How often the fragments of a job were tried: a record for those that were dispatched and came
// back, which few do. Books owns it.
//
// Invariant: the first attempt is implied. A fragment has a record when it has been queued again,
// and until it is settled.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/base/span_map.hpp"
#include "shared/wire/wire_types.hpp"

namespace fanfold::broker {

struct History {
    std::uint32_t attempts = 0;      // dispatches so far
    std::uint32_t failures = 0;      // that ended in an error
    std::uint32_t lone_crashes = 0;  // alone in their chunk when their worker's process ended
    std::uint32_t away = 0;          // workers that ran it alone and are gone, perhaps not for ever
    std::uint32_t vanished = 0;      // workers that ran it alone and never came back
    std::uint32_t most = 0;          // of a suspect: fragments in its next chunk; 0: it is none
    bool exclusive = false;          // the next worker may have no other suspect

    /// Whether it is `crashed` once the workers that are gone are known to have died: no other one
    /// is risked before.
    bool awaits_judgement(std::uint32_t crash_limit) const {
        return away > 0 && lone_crashes + away >= crash_limit;
    }
};

/// Why a fragment is final as `crashed`; empty while it is not.
std::string why_crashed(const History& history, std::uint32_t crash_limit);
/// Of a fragment that nobody has run to its end.
wire::Failure failure_of(Index index, std::uint32_t attempts, wire::FailureKind kind,
                         const std::string& why);

enum class Death : std::uint8_t {
    in_good_order,  // the worker left: nobody is suspected
    in_company,     // several suspects ran on it alone in their chunks: none is counted, each is
                    // exclusive from now on
    unknown,        // it is gone, and may live: a suspect that was alone on it is accused
    known,          // its process has ended: a suspect that was alone on it is counted
};

/// What became of a worker that was gone, for a fragment that it ran alone.
enum class Verdict : std::uint8_t {
    it_lives,    // nothing is counted
    it_died,     // its process has ended, which is counted
    it_vanished  // nothing was heard of it for long, which is counted apart
};

/// A fragment whose failure or crash was counted, and that is queued again.
struct Struck {
    Index index = 0;
    History history;
};

class Attempts {
public:
    using Span = SpanMap<History>::Span;

    const History* at(Index index) const { return history_.at(index); }
    /// The end of the run from this fragment on that has one record, or none.
    Index same_until(Index index) const { return history_.same_until(index); }

    /// Counts a dispatch of a range with one record, and returns the number of its attempt.
    std::uint32_t dispatched(Range range);
    /// Counts the dispatch beside attempt `first`, which still runs.
    std::uint32_t dispatched_again(Index index, std::uint32_t first);
    /// What is queued again has had its first attempt.
    void queued_again(Range range);
    /// Counts a failure, and returns how many there were. A worker that lives is no crash.
    std::uint32_t failed(Index index);
    /// The failed fragment has another attempt to come: what was counted is to be written.
    void strike(Index index);
    /// The range was never started: it has had so many attempts.
    void not_started(Range range, std::uint32_t attempts);
    /// Its worker is gone. Returns the records of the range.
    std::vector<Span> suspect(Range range, Death death, bool alone);
    /// The fragment was accused when its worker went. Nothing: it is settled.
    std::optional<History> judge(Index index, Verdict verdict);
    /// It runs after all. Returns the number of the attempt.
    std::uint32_t adopted(Range range) const;

    /// The parts of the set that were dispatched before.
    std::vector<Range> tried(const RangeSet& set) const;
    std::vector<Struck> take_struck() { return std::exchange(struck_, {}); }
    void erase(Range range) { history_.erase(range); }
    void clear() { history_.clear(), struck_.clear(); }
    void restore(Index index, const History& history) {
        history_.assign({index, index + 1}, history);
    }

private:
    SpanMap<History> history_;
    std::vector<Struck> struck_;
};

}  // namespace fanfold::broker
