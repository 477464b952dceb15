#include "scatterer/client/inbox.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

namespace fanfold::scatterer {

// --- waiting

template <class Ready>
void Inbox::wait(std::unique_lock<std::mutex>& lock, std::condition_variable& changed, Time until,
                 Ready ready) {
    HandlerThread* self = HandlerThread::mine();
    if (!self && until == Time::max()) return changed.wait(lock, ready);
    if (!self) return void(changed.wait_until(lock, until, ready));
    helping_.push_back(self);
    while (!ready() && std::chrono::steady_clock::now() < until) {
        lock.unlock();
        self->help(until);
        lock.lock();
    }
    helping_.erase(std::find(helping_.begin(), helping_.end(), self));
}

void Inbox::wake_helping() {
    for (HandlerThread* thread : helping_) thread->wake();
}

// --- the client's thread

void Inbox::put(Delivery delivery) {
    std::lock_guard lock(mutex_);
    items_.push_back(std::move(delivery));
}

void Inbox::locate() {
    {
        std::lock_guard lock(mutex_);
        located_ = true;
        wake_helping();
    }
    state_changed_.notify_all();
}

void Inbox::conclude(wire::Concluded end) {
    {
        std::lock_guard lock(mutex_);
        if (!over()) end_ = std::move(end);
        wake_helping();
    }
    state_changed_.notify_all();
}

void Inbox::tell() {
    {
        std::lock_guard lock(mutex_);
        wake_helping();
    }
    results_changed_.notify_all();
}

void Inbox::refuse(const std::string& why) {
    {
        std::lock_guard lock(mutex_);
        if (!over()) refusal_ = why;
        set_stop({Stop::Kind::refused, why});
    }
    state_changed_.notify_all();
    tell();
}

void Inbox::allow(std::uint64_t limit) {
    {
        std::lock_guard lock(mutex_);
        limit_ = std::max(limit, limit_.load());
        wake_helping();
    }
    state_changed_.notify_all();
}

void Inbox::accept_seal() {
    {
        std::lock_guard lock(mutex_);
        seal_accepted_ = true;
        wake_helping();
    }
    state_changed_.notify_all();
}

void Inbox::stop(Stop stop) {
    {
        std::lock_guard lock(mutex_);
        set_stop(std::move(stop));
    }
    state_changed_.notify_all();
}

void Inbox::set_stop(Stop stop) {
    if (stop_ && stop.kind != Stop::Kind::differs) return;
    stop_ = std::move(stop);
    stopped_ = true;
    wake_helping();
}

std::optional<Stop> Inbox::why_stopped() const {
    std::lock_guard lock(mutex_);
    return stop_;
}

bool Inbox::take(std::deque<Delivery>& into, std::optional<Time> until) {
    std::unique_lock lock(mutex_);
    wait(lock, results_changed_, until.value_or(Time::max()),
         [this] { return !items_.empty() || over(); });
    if (into.empty()) into.swap(items_);
    else
        into.insert(into.end(), std::make_move_iterator(items_.begin()),
                    std::make_move_iterator(items_.end()));
    items_.clear();
    return !into.empty() || over();
}

void Inbox::wait_located() {
    std::unique_lock lock(mutex_);
    wait(lock, state_changed_, Time::max(), [this] { return located_ || over(); });
}

bool Inbox::finished() const {
    std::lock_guard lock(mutex_);
    return items_.empty() && end_;
}

std::optional<wire::Concluded> Inbox::end() const {
    std::lock_guard lock(mutex_);
    return end_;
}

std::optional<std::string> Inbox::refusal() const {
    std::lock_guard lock(mutex_);
    return refusal_;
}

void Inbox::wait_for_room(std::uint64_t least, Time until) {
    std::unique_lock lock(mutex_);
    wait(lock, state_changed_, until, [&] { return stop_ || limit_ > least; });
}

bool Inbox::wait_sealed() {
    std::unique_lock lock(mutex_);
    wait(lock, state_changed_, Time::max(), [this] { return seal_accepted_ || stop_; });
    return seal_accepted_;
}

}  // namespace fanfold::scatterer
