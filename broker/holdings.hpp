// Runs of fragments that workers hold: by index, as SpanMap, and by worker, so that one worker's part is found without a look at all
// others. T has a member `worker`. Plain value.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "shared/core.hpp"
#include "shared/range_set.hpp"
#include "shared/span_map.hpp"

namespace fanfold::broker {

template <class T>
class Holdings {
public:
    using Span = typename SpanMap<T>::Span;

    void assign(Range range, T value) {
        erase(range);
        set_.add(range);
        by_worker_[value.worker].add(range);
        spans_.assign(range, std::move(value));
    }

    void erase(Range range) {
        if (set_.remove(range) == 0) return;
        for (const Span& span : spans_.within(range)) {
            auto it = by_worker_.find(span.value.worker);
            it->second.remove(span.range);
            if (it->second.empty()) by_worker_.erase(it);
        }
        spans_.erase(range);
    }
    void clear() { spans_.clear(), set_.clear(), by_worker_.clear(); }

    std::vector<Span> within(Range range) const { return spans_.within(range); }
    std::vector<Span> all() const { return spans_.all(); }
    const T* at(Index index) const { return spans_.at(index); }
    const RangeSet& set() const { return set_; }

    bool has(const decltype(T::worker)& worker) const { return by_worker_.contains(worker); }
    /// What the worker holds, ascending.
    std::vector<Span> of(const decltype(T::worker)& worker) const {
        std::vector<Span> held;
        auto it = by_worker_.find(worker);
        if (it == by_worker_.end()) return held;
        for (Range range : it->second.ranges())
            for (Span& span : spans_.within(range)) held.push_back(std::move(span));
        return held;
    }
    /// The parts of the range that the worker holds, ascending.
    std::vector<Range> of_within(const decltype(T::worker)& worker, Range range) const {
        auto it = by_worker_.find(worker);
        return it == by_worker_.end() ? std::vector<Range>{} : it->second.within(range);
    }

    void check_invariants() const {
        RangeSet seen;
        std::map<decltype(T::worker), RangeSet> by_worker;
        for (const Span& span : spans_.all()) {
            seen.add(span.range);
            by_worker[span.value.worker].add(span.range);
        }
        FANFOLD_CHECK(seen == set_);
        FANFOLD_CHECK(by_worker == by_worker_);
    }

private:
    SpanMap<T> spans_;
    RangeSet set_;
    std::map<decltype(T::worker), RangeSet> by_worker_;
};

}  // namespace fanfold::broker
