#include "scatterer/client/leadership.hpp"

#include <algorithm>
#include <utility>

#include "shared/net/awake.hpp"

namespace fanfold::scatterer {

namespace {
using namespace std::chrono_literals;
constexpr auto guard_rest = 5ms;      // after a user has led: another may follow soon
constexpr auto longest_wait = 250ms;  // clocks may jump

bool over(std::optional<Time> until) { return until && net::Loop::now() >= *until; }

/// Waits for input on any of the descriptors, the last of which is the
/// wakeup's.
void poll_until(std::vector<pollfd>& items, net::Wakeup& wakeup, Time until) {
    using std::chrono::ceil, std::chrono::milliseconds;
    items.push_back({.fd = wakeup.fd(), .events = POLLIN, .revents = 0});
    Time now = net::Loop::now();
    auto wait = ceil<milliseconds>(std::clamp(until, now, now + longest_wait) - now);
    (void)net::poll_awake(items, static_cast<int>(wait.count()));
    if (items.back().revents != 0) wakeup.clear();
}
}  // namespace

void Leadership::wait(std::condition_variable& changed, const Ready& ready,
                      std::optional<Time> until) {
    if (ready()) return;
    if (over(until)) return loop_.look();
    Lock lock(mutex_);
    bool promoted = false;
    while (!ready() && !over(until)) {
        if (leader_ == Leader::user) {
            promoted = follow(lock, changed, ready, until);
        } else {
            promoted = false;
            lead(lock, changed, ready, until);
        }
    }
    if (promoted && leader_ == Leader::nobody) pass_on();
}

void Leadership::lead(Lock& lock, std::condition_variable& changed, const Ready& ready,
                      std::optional<Time> until) {
    if (std::exchange(leader_, Leader::user) == Leader::guard) guard_wakeup_.wake();
    led_for_ = &changed;
    led_by_ = std::this_thread::get_id();
    ++reign_;
    lock.unlock();
    for (;;) {
        Time next = loop_.turn(user_items_);
        if (ready() || over(until)) break;
        poll_until(user_items_, user_wakeup_, until ? std::min(next, *until) : next);
    }
    lock.lock();
    leader_ = Leader::nobody;
    led_for_ = nullptr;
    left_at_ = net::Loop::now();
    pass_on();
}

bool Leadership::follow(Lock& lock, std::condition_variable& changed, const Ready& ready,
                        std::optional<Time> until) {
    Waiter self{.changed = &changed};
    waiters_.push_back(&self);
    auto woken = [&] { return self.promoted || ready(); };
    if (until) changed.wait_until(lock, *until, woken);
    else changed.wait(lock, woken);
    std::erase(waiters_, &self);
    return self.promoted;
}

/// Nobody leads: the longest waiting does next, or in a while the guard.
void Leadership::pass_on() {
    if (!waiters_.empty()) {
        waiters_.front()->promoted = true;
        waiters_.front()->changed->notify_all();
    } else if (guard_sleeps_) {
        guard_changed_.notify_one();
    }
}

void Leadership::tell(std::condition_variable& changed) {
    std::lock_guard lock(mutex_);
    changed.notify_all();
    if (led_for_ == &changed && led_by_ != std::this_thread::get_id()) user_wakeup_.wake();
}

void Leadership::wake_leader() {
    std::lock_guard lock(mutex_);
    if (leader_ == Leader::user && led_by_ != std::this_thread::get_id()) user_wakeup_.wake();
    else if (leader_ == Leader::guard) guard_wakeup_.wake();
}

void Leadership::guard() {
    Lock lock(mutex_);
    while (!stopping_) {
        if (std::exchange(errands_wait_, false)) {
            lock.unlock();
            loop_.errands();
            lock.lock();
        } else if (leader_ == Leader::user || net::Loop::now() - left_at_ < guard_rest) {
            rest(lock);
        } else {
            lead_as_guard(lock);
        }
    }
}

void Leadership::lead_as_guard(Lock& lock) {
    leader_ = Leader::guard;
    while (leader_ == Leader::guard && !stopping_ && !errands_wait_) {
        lock.unlock();
        Time next = loop_.turn(guard_items_);
        poll_until(guard_items_, guard_wakeup_, next);
        lock.lock();
    }
    if (leader_ != Leader::guard) return;
    leader_ = Leader::nobody;
    pass_on();
}

void Leadership::rest(Lock& lock) {
    auto called = [this] { return stopping_ || errands_wait_; };
    std::uint64_t reign = reign_;
    if (guard_changed_.wait_for(lock, guard_rest, called)) return;
    if (leader_ != Leader::user || reign_ != reign) return;
    guard_sleeps_ = true;  // whoever leads so long says when it is over
    guard_changed_.wait(lock, [&] { return called() || leader_ == Leader::nobody; });
    guard_sleeps_ = false;
}

void Leadership::run_errands() {
    std::lock_guard lock(mutex_);
    errands_wait_ = true;
    guard_changed_.notify_one();
    if (leader_ == Leader::guard) guard_wakeup_.wake();
}

void Leadership::stop() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    guard_changed_.notify_one();
    guard_wakeup_.wake();
}

}  // namespace fanfold::scatterer
