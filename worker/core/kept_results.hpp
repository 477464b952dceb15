// The results of one job that a worker keeps until they are released: runs of values by their first
// index, and when they are due to be pushed again. Owned by the worker's core, on its thread.
//
// Invariants: runs do not overlap; the set of indices is exactly what the runs cover; bytes() is
// the sum of their bodies.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "shared/base/range_set.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

struct KeptRun {
    Range range;
    wire::RunMeta meta;
    Slice body;
};

class KeptResults {
public:
    /// Keeps a run that has just been pushed. None of its indices may be kept already.
    void add(KeptRun run, Time now);
    /// Frees what is kept of the range. A run that is freed in part is cut.
    void release(Range range, Time now);

    const RangeSet& indices() const { return indices_; }
    bool empty() const { return runs_.empty(); }
    std::uint64_t bytes() const { return bytes_; }

    /// The runs that have an index in one of the ranges, by index, at most `most_bytes` of them but
    /// one at least.
    std::vector<const KeptRun*> overlapping(const std::vector<Range>& ranges,
                                            std::uint64_t most_bytes) const;

    /// When they have stood still for so long that the gatherer is to be asked for them.
    Time due() const { return since_ + patience_; }
    /// It is, by a Mark of this number: the next time is twice as far away, up to the longest
    /// patience.
    void asked(std::uint64_t mark, Time now);
    /// What did not arrive, by an answer to a Mark: what was kept when it was first asked, and
    /// still is. Empty when no answer is awaited.
    std::vector<Range> lost(std::uint64_t mark);
    /// They were pushed again: as asked(), and no earlier answer counts any more.
    void pushed_again(Time now);

    void check_invariants() const;

private:
    void erase(std::map<Index, KeptRun>::iterator run);
    void insert(KeptRun run);
    void wait_longer(Time now);

    std::map<Index, KeptRun> runs_;
    RangeSet indices_;
    std::uint64_t bytes_ = 0;
    std::optional<std::uint64_t> mark_;  // the first that is not answered,
    RangeSet asked_about_;               // and what was kept then
    Time since_{};
    Duration patience_ = limits::resend_after;
};

}  // namespace fanfold::worker
