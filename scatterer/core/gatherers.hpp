// The gatherers that the broker has named, and whose turn it is to be proposed for a job. Part of
// the scatterer's core, on its thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "scatterer/core/events.hpp"

namespace fanfold::scatterer {

class Gatherers {
public:
    void replace(std::vector<wire::GathererRef> known) { known_ = std::move(known); }
    /// The broker speaks of this one; what was known under its name was an earlier life. One that
    /// is nowhere has a key that is let in no more.
    void learn(const wire::GathererRef& gatherer) {
        if (gatherer.collect.empty()) return drop(key_of(gatherer));
        auto same = std::ranges::find(known_, gatherer.name, &wire::GathererRef::name);
        if (same == known_.end()) known_.push_back(gatherer);
        else *same = gatherer;
    }
    void drop(const GathererKey& gone) {
        std::erase_if(known_, [&](const auto& one) { return key_of(one) == gone; });
    }
    const wire::GathererRef* next() {
        return known_.empty() ? nullptr : &known_[turn_++ % known_.size()];
    }

private:
    std::vector<wire::GathererRef> known_;
    std::size_t turn_ = 0;
};

}  // namespace fanfold::scatterer
