// Which input each fragment of the job is: when a map is resumed by its job log, the inputs that
// were done before are no fragments. The feeding thread adds, any thread asks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace fanfold::scatterer::cli {

class Numbering {
public:
    using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // [begin, end)

    /// The fragment with the index, one more than the last one's, is this input; both count from 0.
    void add(std::uint64_t index, std::uint64_t input) {
        std::lock_guard lock(mutex_);
        if (starts_.empty() || input - index != starts_.back().input - starts_.back().index)
            starts_.push_back({index, input});
    }

    std::uint64_t input_of(std::uint64_t index) const {
        std::lock_guard lock(mutex_);
        return at(index);
    }

    Ranges inputs_of(const Ranges& fragments) const {
        std::lock_guard lock(mutex_);
        Ranges inputs;
        for (auto [begin, end] : fragments) {
            while (begin < end) {
                auto next = after(begin);
                std::uint64_t until = next == starts_.end() ? end : std::min(end, next->index);
                inputs.emplace_back(at(begin), at(begin) + (until - begin));
                begin = until;
            }
        }
        return inputs;
    }

private:
    /// From here on, fragments are consecutive inputs.
    struct Start {
        std::uint64_t index;
        std::uint64_t input;
    };
    std::vector<Start>::const_iterator after(std::uint64_t index) const {
        return std::upper_bound(
            starts_.begin(), starts_.end(), index,
            [](std::uint64_t one, const Start& start) { return one < start.index; });
    }
    std::uint64_t at(std::uint64_t index) const {
        auto next = after(index);
        if (next == starts_.begin()) return index;
        return std::prev(next)->input + (index - std::prev(next)->index);
    }

    mutable std::mutex mutex_;
    std::vector<Start> starts_;
};

}  // namespace fanfold::scatterer::cli
