// A job's fragments on loan to workers: first attempts, and second ones beside them. Every change
// is noted for the sums that the workers' sessions keep. Books owns it.
//
// Invariant: a second attempt has a first one, on another worker.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "broker/books/holdings.hpp"
#include "shared/base/range_set.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

/// Where a loan comes from.
enum class Origin : std::uint8_t {
    adopted,     // from an earlier session, or an earlier life of the broker; comes first
    dispatched,  // in the worker's session, with a sequence
};

/// A dispatch in a worker's session. What was adopted has no number there.
struct DispatchId {
    Origin origin = Origin::adopted;
    std::uint64_t sequence = 0;
    auto operator<=>(const DispatchId&) const = default;
    /// Whether the worker must have seen it when it has handled so many.
    bool is_handled(std::uint64_t handled) const {
        return origin == Origin::adopted || sequence <= handled;
    }
};

/// A chunk, or what is left of it, on loan to a worker.
struct Loan {
    PeerId worker;
    DispatchId dispatch{};
    std::uint32_t attempt = 1;
    bool alone = false;  // a suspect, the only fragment of its chunk
};

/// A worker has more or fewer fragments of a dispatch on loan than before.
struct LoanChange {
    PeerId worker;
    DispatchId dispatch{};
    std::int64_t fragments = 0;
};

class Loans {
public:
    using Span = Holdings<Loan>::Span;

    void put(Range range, Loan loan);
    void put_second(Index index, Loan loan);
    /// First attempts are over.
    void take(Range range);
    /// Second attempts are over.
    void take_second(Range range);
    /// Both are over.
    void take_both(Range range) {
        take_second(range);
        take(range);
    }
    /// First attempts are lost. Where there is a second one, it is the only one from now on; the
    /// other parts are returned.
    std::vector<Range> lose(Range range);
    /// The worker has a new connection; what it holds is adopted.
    void rename(const PeerId& old_id, const PeerId& new_id);
    void clear();

    const Holdings<Loan>& first() const { return first_; }
    const Holdings<Loan>& second() const { return second_; }
    bool is_hedged(Index index) const { return second_.at(index) != nullptr; }
    /// The number of fragments that the worker has alone in their chunks.
    std::ptrdiff_t lone(const PeerId& worker) const {
        return std::ranges::count_if(first_.of(worker),
                                     [](const Span& span) { return span.value.alone; });
    }
    /// The number of second attempts that were ever started.
    std::uint64_t hedged() const { return hedged_; }
    /// What has changed since it was last asked.
    std::vector<LoanChange> take_changes() { return std::exchange(changes_, {}); }
    void check_invariants() const;

private:
    void note(const PeerId& worker, DispatchId dispatch, std::int64_t fragments);
    void note_gone(const std::vector<Span>& gone);

    Holdings<Loan> first_;
    Holdings<Loan> second_;
    std::uint64_t hedged_ = 0;
    std::vector<LoanChange> changes_;
};

}  // namespace fanfold::broker
