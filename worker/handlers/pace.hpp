// How long the fragments of one function take, as a worker has seen it. Any thread; what two
// threads add at once may count once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "shared/base/ids.hpp"

namespace fanfold::worker {

class Pace {
public:
    /// So many fragments, one after the other, took so long. What is slower than the estimate
    /// raises it at once, what is quicker lowers it little by little: a function that surprised
    /// once has to prove itself again.
    void add(Duration took, std::uint64_t fragments) {
        if (fragments == 0) return;
        std::int64_t each =
            std::max<std::int64_t>(took.count(), 0) / static_cast<std::int64_t>(fragments);
        std::int64_t known = nanoseconds_.load(std::memory_order_relaxed);
        nanoseconds_.store(each > known ? each : known - (known - each) / 8,
                           std::memory_order_relaxed);
        tasks_.store(std::min(tasks_.load(std::memory_order_relaxed) + 1, enough_tasks),
                     std::memory_order_relaxed);
    }
    /// What so many fragments will take; Duration::max() while too little is known.
    Duration expected(std::uint64_t fragments) const {
        if (tasks_.load(std::memory_order_relaxed) < enough_tasks) return Duration::max();
        auto each = static_cast<std::uint64_t>(nanoseconds_.load(std::memory_order_relaxed)) + 1;
        constexpr auto most = static_cast<std::uint64_t>(Duration::max().count());
        return fragments > most / each ? Duration::max()
                                       : Duration(static_cast<std::int64_t>(each * fragments));
    }

private:
    static constexpr std::uint32_t enough_tasks = 8;

    std::atomic<std::int64_t> nanoseconds_{0};
    std::atomic<std::uint32_t> tasks_{0};
};

}  // namespace fanfold::worker
