// Two threads of which one leads: it takes the turns of a loop, and between them does work that
// should be short. Where that takes long after all, the other leads on, and the first, when it is
// done, waits until the lead falls to it again. (The leader/followers pattern of Schmidt, Stal,
// Rohnert and Buschmann, POSA 2.)
//
// Threads: run() and the destructor belong to the owner's thread; may_work() and work() to the one
// that leads; scan() is for any. What the threads share is owned by them, too: one whose work never
// ends outlives everything else, and touches nothing of it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <thread>

#include "shared/base/ids.hpp"

namespace fanfold::worker {

class Leaders {
public:
    /// `lead` is called on the thread that has the lead, to take turns until the loop's end, or
    /// until work() says that the lead is lost.
    explicit Leaders(std::function<void()> lead);
    /// Waits for the threads, but for those that are still at work: they are left to themselves.
    ~Leaders();
    Leaders(const Leaders&) = delete;
    Leaders& operator=(const Leaders&) = delete;

    /// Until `lead` has returned with the lead still its own. Throws what it has thrown.
    void run();
    /// Waits until then for the threads to end; false when one is still at work. Nothing leads any
    /// more. May be called again.
    bool close(Time until);

    /// Whether another thread is there to take the lead from one at work.
    bool may_work() const;
    /// Does something that should be short. False when the lead was lost meanwhile: then everything
    /// that belongs to the owner is another thread's, or is gone, and `lead` must return without
    /// touching it.
    bool work(const std::function<void()>& what);
    /// Called at regular intervals: a thread that is at the same work at two scans loses the lead,
    /// if another can have it.
    void scan();

private:
    struct State;
    std::shared_ptr<State> state_;
    std::array<std::thread, 2> threads_;
};

}  // namespace fanfold::worker
