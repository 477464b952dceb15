// Who runs the client's loop: one thread at a time, the leader. A user's thread that waits for
// something leads meanwhile, so that what it waits for is read by itself, and no other thread has
// to wake up for it. While no user waits, the client's own thread leads, the guard: it takes the
// loop a few milliseconds after the last user has left it, and gives it up to the next one.
//
// Any thread. Invariants:
// - while a thread waits in wait(), some thread leads; a leader that leaves passes the loop on to
// one that waits;
// - `ready` is asked with the mutex held or on the leader's thread, and may take locks that nobody
// holds while calling in here.
#pragma once

#include <poll.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "shared/net/net.hpp"

namespace fanfold::scatterer {

class Leadership {
public:
    using Ready = std::function<bool()>;
    struct Loop {
        /// Does what there is to do, and names the descriptors to wait for, and until when at most.
        std::function<Time(std::vector<pollfd>&)> turn;
        /// The same for one who does not lead, and waits for nothing: it need not do all.
        std::function<void()> look;
        /// On the guard's thread, without any lock: what must not run on a user's.
        std::function<void()> errands;
    };
    explicit Leadership(Loop loop) : loop_(std::move(loop)) {}

    /// Returns once `ready` holds or the time is over. Leads meanwhile, unless another user does.
    void wait(std::condition_variable& changed, const Ready& ready, std::optional<Time> until);
    /// What those wait for who gave this to wait() may have come about.
    void tell(std::condition_variable& changed);
    /// There is something for the leader to do that no descriptor tells of.
    void wake_leader();

    /// The guard's thread; returns after stop().
    void guard();
    void run_errands();
    void stop();

private:
    enum class Leader : std::uint8_t { nobody, user, guard };
    struct Waiter {
        std::condition_variable* changed;
        bool promoted = false;
    };
    using Lock = std::unique_lock<std::mutex>;

    void lead(Lock& lock, std::condition_variable& changed, const Ready& ready,
              std::optional<Time> until);
    /// Whether the loop was passed on to this thread.
    bool follow(Lock& lock, std::condition_variable& changed, const Ready& ready,
                std::optional<Time> until);
    void pass_on();
    void lead_as_guard(Lock& lock);
    void rest(Lock& lock);

    const Loop loop_;
    std::mutex mutex_;
    Leader leader_ = Leader::nobody;
    std::condition_variable* led_for_ = nullptr;  // what a user who leads waits for,
    std::thread::id led_by_;                      // and who it is
    std::uint64_t reign_ = 0;                     // counts the users who led
    Time left_at_{};                              // by the last of them
    std::vector<Waiter*> waiters_;                // who don't lead
    std::condition_variable guard_changed_;       // the guard rests
    bool guard_sleeps_ = false;                   // until nobody leads
    bool errands_wait_ = false;
    bool stopping_ = false;

    net::Wakeup user_wakeup_;
    net::Wakeup guard_wakeup_;
    std::vector<pollfd> user_items_;   // of the user who leads
    std::vector<pollfd> guard_items_;  // of the guard
};

}  // namespace fanfold::scatterer
