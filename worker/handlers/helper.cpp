#include "worker/handlers/helper.hpp"

#include <utility>

namespace fanfold::worker {

bool Helper::take(Guest guest) {
    std::lock_guard lock(mutex_);
    if (!helping_) {
        on_wait_(false);
        return false;
    }
    guest.begin();
    guest_ = std::move(guest.run);
    changed_.notify_all();
    return true;
}

void Helper::help(Time until) {
    std::unique_lock lock(mutex_);
    helping_ = true;
    on_wait_(true);
    while (true) {
        changed_.wait_until(lock, until, [&] { return woken_ || guest_; });
        if (!guest_) break;
        const std::function<void()> run = std::exchange(guest_, {});
        lock.unlock();
        run();
        lock.lock();
    }
    helping_ = woken_ = false;
    on_wait_(false);
}

void Helper::wake() {
    std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
}

}  // namespace fanfold::worker
