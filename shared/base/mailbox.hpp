// What other threads leave for a loop's thread. post() may be called from any thread, the rest by
// the loop's.
#pragma once

#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "shared/base/wakeup.hpp"

namespace fanfold {

template <class T>
class Mailbox {
public:
    void post(T item) {
        bool wakes;
        {
            std::lock_guard lock(mutex_);
            wakes = items_.empty() && attendant_ != std::this_thread::get_id();
            items_.push_back(std::move(item));
        }
        if (wakes) wakeup_.wake();
    }
    std::deque<T> take() {
        wakeup_.clear();
        return take_unwoken();
    }
    /// From now on the calling thread posts without waking itself, and must take_unwoken()
    /// afterwards.
    void attend() {
        std::lock_guard lock(mutex_);
        attendant_ = std::this_thread::get_id();
    }
    std::deque<T> take_unwoken() {
        std::lock_guard lock(mutex_);
        attendant_ = {};
        return std::exchange(items_, {});
    }
    /// Readable when there is something to take.
    int fd() const { return wakeup_.fd(); }

private:
    std::mutex mutex_;
    std::deque<T> items_;
    std::thread::id attendant_;
    Wakeup wakeup_;
};

}  // namespace fanfold
