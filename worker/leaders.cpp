#include "worker/leaders.hpp"

#include <array>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace fanfold::worker {

struct Leaders::State {
    enum class Place : std::uint8_t {
        gone,       // not started, or ended
        following,  // waits for the lead
        leading,    // takes turns
        working,    // leads too, as long as it is not found at the same work twice
    };

    std::function<void()> lead;
    std::mutex mutex;
    std::condition_variable changed;
    std::array<Place, 2> places{Place::gone, Place::gone};
    std::optional<std::size_t> leader;  // nothing: the lead is for whoever follows
    std::uint64_t works = 0;            // begun
    std::uint64_t seen = 0;             // the one that was going on at the last scan
    bool ended = false;
    std::exception_ptr error;

    void follow(std::size_t self);
    bool all(auto is) const { return is(places[0]) && is(places[1]); }
};

/// The life of a thread.
void Leaders::State::follow(std::size_t self) {
    std::unique_lock lock(mutex);
    while (true) {
        changed.wait(lock, [&] { return ended || !leader; });
        if (ended) break;
        leader = self;
        places[self] = Place::leading;
        lock.unlock();
        std::exception_ptr thrown;
        try {
            lead();
        } catch (...) {
            thrown = std::current_exception();
        }
        lock.lock();
        if (leader == self) {
            error = thrown;
            ended = true;
            break;
        }
        places[self] = Place::following;
    }
    places[self] = Place::gone;
    changed.notify_all();
}

Leaders::Leaders(std::function<void()> lead) : state_(std::make_shared<State>()) {
    state_->lead = std::move(lead);
}

bool Leaders::close(Time until) {
    std::unique_lock lock(state_->mutex);
    state_->ended = true;
    state_->changed.notify_all();
    const bool all_gone = state_->changed.wait_until(lock, until, [&] {
        return state_->all([](State::Place place) { return place == State::Place::gone; });
    });
    lock.unlock();
    if (!all_gone) return false;
    for (std::thread& thread : threads_) {
        if (thread.joinable()) thread.join();
    }
    return true;
}

Leaders::~Leaders() {
    std::unique_lock lock(state_->mutex);
    state_->ended = true;
    state_->changed.notify_all();
    using Place = State::Place;
    state_->changed.wait(lock, [&] {
        return state_->all(
            [](Place place) { return place == Place::gone || place == Place::working; });
    });
    const auto places = state_->places;
    lock.unlock();
    for (std::size_t self = 0; self < threads_.size(); ++self) {
        if (threads_[self].joinable())
            places[self] == Place::gone ? threads_[self].join() : threads_[self].detach();
    }
}

void Leaders::run() {
    std::unique_lock lock(state_->mutex);
    for (std::size_t self = 0; self < state_->places.size(); ++self) {
        threads_[self] = std::thread([state = state_, self] { state->follow(self); });
        state_->places[self] = State::Place::following;
    }
    state_->changed.wait(lock, [&] { return state_->ended; });
    if (state_->error) std::rethrow_exception(std::exchange(state_->error, nullptr));
}

bool Leaders::may_work() const {
    std::lock_guard lock(state_->mutex);
    return state_->places[0] == State::Place::following ||
           state_->places[1] == State::Place::following;
}

bool Leaders::work(const std::function<void()>& what) {
    std::shared_ptr<State> state = state_;  // `this` may be gone when the work is done
    std::unique_lock lock(state->mutex);
    std::size_t self = *state->leader;
    state->places[self] = State::Place::working;
    ++state->works;
    lock.unlock();
    what();
    lock.lock();
    state->places[self] = State::Place::leading;
    return state->leader == self && !state->ended;
}

void Leaders::scan() {
    std::lock_guard lock(state_->mutex);
    State& state = *state_;
    if (!state.leader || state.places[*state.leader] != State::Place::working) return;
    if (std::exchange(state.seen, state.works) != state.works || state.ended) return;
    bool other_follows = state.places[1 - *state.leader] == State::Place::following;
    if (!other_follows) return;
    state.leader.reset();
    state.changed.notify_all();
}

}  // namespace fanfold::worker
