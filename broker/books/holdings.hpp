// Runs of fragments that workers hold: by index, as SpanMap, and by worker, so that one worker's
// part is found without a look at all others. T has a member `worker`. Plain value.
#pragma once

#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/books/lookup.hpp"
#include "shared/base/range_set.hpp"
#include "shared/base/span_map.hpp"
#include "shared/events/events.hpp"

namespace fanfold::broker {

template <class T>
class Holdings {
public:
    using Span = typename SpanMap<T>::Span;

    void assign(Range range, T value) {
        if (range.empty()) return;
        take(range);
        size_ += range.size();
        by_worker_[value.worker].add(range);
        spans_.assign(range, std::move(value));
    }

    void erase(Range range) { take(range); }
    /// Erases the range, and returns what was in it.
    std::vector<Span> take(Range range) {
        std::vector<Span> taken = spans_.take(range);
        for (const Span& span : taken) {
            size_ -= span.range.size();
            auto it = by_worker_.find(span.value.worker);
            it->second.remove(span.range);
            if (it->second.empty()) by_worker_.erase(it);
        }
        return taken;
    }
    void clear() { spans_.clear(), by_worker_.clear(), size_ = 0; }

    std::vector<Span> within(Range range) const { return spans_.within(range); }
    std::vector<Span> all() const { return spans_.all(); }
    const T* at(Index index) const { return spans_.at(index); }
    /// The number of fragments.
    Index size() const { return size_; }
    /// All of them, put together anew.
    RangeSet set() const {
        RangeSet all;
        for (const Span& span : spans_.all()) all.add(span.range);
        return all;
    }

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
        std::unordered_map<decltype(T::worker), RangeSet, NameHash> by_worker;
        for (const Span& span : spans_.all()) {
            seen.add(span.range);
            by_worker[span.value.worker].add(span.range);
        }
        FANFOLD_CHECK(seen.size() == size_);
        FANFOLD_CHECK(by_worker == by_worker_);
    }

private:
    SpanMap<T> spans_;
    Index size_ = 0;
    std::unordered_map<decltype(T::worker), RangeSet, NameHash> by_worker_;
};

}  // namespace fanfold::broker
