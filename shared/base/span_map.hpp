// Facts about runs of fragments: disjoint half-open spans of indices, each with a value. Like
// RangeSet it grows with the number of spans, never with the number of fragments. Neighbouring
// spans are not joined: each keeps what it was given. Plain value.
#pragma once

#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "shared/base/range_set.hpp"

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
        auto next = cut_out(range, [](Range, const T&) {});
        spans_.emplace_hint(next, range.begin, Entry{range.end, std::move(value)});
    }

    void erase(Range range) {
        cut_out(range, [](Range, const T&) {});
    }
    /// Erases the range, and returns the spans that overlapped it, cut to it, ascending.
    std::vector<Span> take(Range range) {
        std::vector<Span> taken;
        cut_out(range, [&](Range part, const T& value) { taken.push_back({part, value}); });
        return taken;
    }
    void clear() { spans_.clear(); }

    /// The spans that overlap the range, cut to it, ascending.
    std::vector<Span> within(Range range) const {
        std::vector<Span> found;
        if (range.empty()) return found;
        for (auto it = first_reaching(range.begin); it != spans_.end() && it->first < range.end;
             ++it)
            found.push_back({overlap({it->first, it->second.end}, range), it->second.value});
        return found;
    }

    /// The value at the index, or nullptr.
    const T* at(Index index) const {
        auto it = first_reaching(index);
        return it != spans_.end() && it->first <= index ? &it->second.value : nullptr;
    }

    /// The end of the run of indices from `index` on that have the same value as it, or have all
    /// none.
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

    using Map = std::map<Index, Entry>;

    /// The first span that ends after the index.
    template <class Spans>
    static auto first_reaching(Spans& spans, Index index) {
        auto it = spans.upper_bound(index);
        if (it != spans.begin() && std::prev(it)->second.end > index) --it;
        return it;
    }
    typename Map::const_iterator first_reaching(Index index) const {
        return first_reaching(spans_, index);
    }

    /// Takes the range out of all spans, with one search; returns the first span past it.
    template <class Tell>
    typename Map::iterator cut_out(Range range, const Tell& tell) {
        if (range.empty()) return spans_.end();
        auto it = first_reaching(spans_, range.begin);
        while (it != spans_.end() && it->first < range.end) {
            Range whole{it->first, it->second.end};
            tell(overlap(whole, range), it->second.value);
            if (whole.end > range.end) {  // what lies behind stays
                auto rest = spans_.emplace_hint(std::next(it), range.end,
                                                Entry{whole.end, it->second.value});
                if (whole.begin < range.begin) it->second.end = range.begin;
                else spans_.erase(it);
                return rest;
            }
            if (whole.begin < range.begin) {
                it->second.end = range.begin;
                ++it;
            } else {
                it = spans_.erase(it);
            }
        }
        return it;
    }

    Map spans_;
};

}  // namespace fanfold
