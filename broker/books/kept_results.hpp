// A job's finished fragments whose values are not safe yet: kept by a worker, or in limbo, since
// that worker died and what it had pushed may still arrive. Books owns it. Plain value.
#pragma once

#include <optional>
#include <vector>

#include "broker/books/holdings.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/span_map.hpp"

namespace fanfold::broker {

struct Kept {
    PeerId worker;
};

class KeptResults {
public:
    void keep(Range range, const PeerId& worker) { finished_.assign(range, {worker}); }
    /// The worker is gone: what it kept is in limbo until then.
    void lose(const PeerId& worker, Time until) {
        for (const auto& kept : finished_.of(worker)) {
            finished_.erase(kept.range);
            limbo_.assign(kept.range, until);
            limbo_set_.add(kept.range);
        }
    }
    /// A worker has what is in limbo of the range after all.
    void find_again(Range range, const PeerId& worker) {
        for (Range part : limbo_set_.within(range)) {
            leave_limbo(part);
            keep(part, worker);
        }
    }
    /// What has been in limbo for long enough leaves it, and is returned.
    std::vector<Range> give_up(Time now) {
        std::vector<Range> lost;
        for (const auto& span : limbo_.all()) {
            if (span.value > now) continue;
            leave_limbo(span.range);
            lost.push_back(span.range);
        }
        return lost;
    }
    void rename(const PeerId& old_id, const PeerId& new_id) {
        for (const auto& span : finished_.of(old_id)) keep(span.range, new_id);
    }
    void erase(Range range) {
        finished_.erase(range);
        leave_limbo(range);
    }
    void clear() { finished_.clear(), limbo_.clear(), limbo_set_.clear(); }

    const Holdings<Kept>& finished() const { return finished_; }
    const RangeSet& limbo() const { return limbo_set_; }
    /// The number of fragments.
    Index size() const { return finished_.size() + limbo_set_.size(); }
    void check_invariants() const {
        finished_.check_invariants();
        RangeSet waiting;
        for (const auto& span : limbo_.all()) waiting.add(span.range);
        FANFOLD_CHECK(waiting == limbo_set_);
    }

private:
    void leave_limbo(Range range) {
        limbo_.erase(range);
        limbo_set_.remove(range);
    }

    Holdings<Kept> finished_;
    SpanMap<Time> limbo_;  // until when
    RangeSet limbo_set_;
};

}  // namespace fanfold::broker
