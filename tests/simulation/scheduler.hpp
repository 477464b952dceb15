// Virtual time: what is to happen, in order of its moment, and in order of arrangement within a
// moment. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "shared/base/ids.hpp"

namespace fanfold::simulation {

class Scheduler {
public:
    Time now() const { return now_; }
    void at(Time when, std::function<void()> what) {
        queue_.push({when < now_ ? now_ : when, ++arranged_, std::move(what)});
    }
    void after(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

    /// Lets the next thing happen; false when nothing is left.
    bool step() {
        if (queue_.empty()) return false;
        Item next =
            std::move(const_cast<Item&>(queue_.top()));  // it is popped before anybody looks
        queue_.pop();
        now_ = next.when;
        next.what();
        return true;
    }

private:
    struct Item {
        Time when;
        std::uint64_t number;
        std::function<void()> what;
        bool operator<(const Item& other) const {
            return std::pair(when, number) > std::pair(other.when, other.number);
        }
    };
    std::priority_queue<Item> queue_;
    Time now_{};
    std::uint64_t arranged_ = 0;
};

}  // namespace fanfold::simulation
