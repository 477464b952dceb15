// Facts about runs of fragments: disjoint half-open spans of indices, each with a value. Like RangeSet it grows with the number of
// spans, never with the number of fragments. Neighbouring spans are not joined: each keeps what it was given. Plain value.
#pragma once

#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "shared/range_set.hpp"

namespace fanfold {

template <class T>
class SpanMap {
public:
    struct Span {
        Range range;
        T value;
    };

    /// Gives the range this value, over whatever was there.
    void assign(Range range, T value) {
        if (range.empty()) return;
        erase(range);
        spans_.emplace(range.begin, Entry{range.end, std::move(value)});
    }

    void erase(Range range) {
        if (range.empty()) return;
        split(range.begin);
        split(range.end);
        spans_.erase(spans_.lower_bound(range.begin), spans_.lower_bound(range.end));
    }
    void clear() { spans_.clear(); }

    /// The spans that overlap the range, cut to it, ascending.
    std::vector<Span> within(Range range) const {
        std::vector<Span> found;
        if (range.empty()) return found;
        for (auto it = first_reaching(range.begin); it != spans_.end() && it->first < range.end; ++it)
            found.push_back({overlap({it->first, it->second.end}, range), it->second.value});
        return found;
    }

    /// The value at the index, or nullptr.
    const T* at(Index index) const {
        auto it = first_reaching(index);
        return it != spans_.end() && it->first <= index ? &it->second.value : nullptr;
    }

    /// The end of the run of indices from `index` on that have the same value as it, or have all none.
    Index same_until(Index index) const {
        auto it = first_reaching(index);
        if (it == spans_.end()) return ~Index{0};
        return it->first <= index ? it->second.end : it->first;
    }

    std::vector<Span> all() const { return within({0, ~Index{0}}); }
    bool empty() const { return spans_.empty(); }
    std::size_t size() const { return spans_.size(); }

private:
    struct Entry {
        Index end;
        T value;
    };

    /// The first span that ends after the index.
    typename std::map<Index, Entry>::const_iterator first_reaching(Index index) const {
        auto it = spans_.upper_bound(index);
        if (it != spans_.begin() && std::prev(it)->second.end > index) --it;
        return it;
    }

    /// Makes sure that no span lies across the index.
    void split(Index index) {
        auto it = spans_.lower_bound(index);
        if (it == spans_.begin()) return;
        Entry& before = std::prev(it)->second;
        if (before.end <= index) return;
        spans_.emplace_hint(it, index, before);
        before.end = index;
    }

    std::map<Index, Entry> spans_;
};

}  // namespace fanfold
