// Which of a session's dispatches have come, by their numbers. Owned by the core, on its thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "shared/base/range_set.hpp"

namespace fanfold::worker {

class DispatchNumbers {
public:
    /// False when the number has come before, or a heartbeat has passed it over: the broker gives
    /// what is missing below that to another worker.
    bool take(std::uint64_t number) {
        if (is_past(number)) return false;
        seen_.add({number, number + 1});
        highest_ = std::max(highest_, number);
        return true;
    }
    bool is_past(std::uint64_t number) const {
        return number <= confirmed_ || seen_.contains(number);
    }
    /// The broker says that it had sent so many: those that have not come are lost. Whether there
    /// are such.
    bool mark(std::uint64_t sent) {
        if (sent <= highest_) return false;
        highest_ = sent;
        return true;
    }
    /// The highest number that has come, or is lost, for a heartbeat that names it now.
    std::uint64_t confirm() { return confirmed_ = highest_; }
    void begin_session() { *this = {}; }

private:
    RangeSet seen_;
    std::uint64_t highest_ = 0;
    std::uint64_t confirmed_ = 0;  // by the last heartbeat
};

}  // namespace fanfold::worker
