// A worker's thread while it runs a handler, for the scatterer that the handler calls: its jobs are
// part of the fragment that runs, and while they are waited for the thread can run their fragments.
// The worker and the scatterer, which know nothing of each other, meet here.
#pragma once

#include "shared/base/ids.hpp"
#include "shared/include/fanfold/parent.hpp"

namespace fanfold {

class HandlerThread {
public:
    /// That which the calling thread is; nullptr where no handler runs. The innermost one, when the
    /// handler of a fragment waits and its thread runs another.
    static HandlerThread* mine() { return mine_; }

    // The thread itself.
    /// The attempt that it runs.
    virtual Parent parent() const = 0;
    /// Runs fragments of the handler's inner jobs as they come, until wake() is called, or the time
    /// is over: later, when one of them takes longer.
    virtual void help(Time until) = 0;

    // Any thread, as long as the handler runs.
    /// help() returns soon; if it does not run, the next one returns at once.
    virtual void wake() = 0;

protected:
    HandlerThread() = default;
    HandlerThread(const HandlerThread&) = default;
    HandlerThread& operator=(const HandlerThread&) = default;
    virtual ~HandlerThread() = default;

    /// The calling thread is this one while it lives.
    class Running {
    public:
        explicit Running(HandlerThread& self) : before_(mine_) { mine_ = &self; }
        ~Running() { mine_ = before_; }
        Running(const Running&) = delete;
        Running& operator=(const Running&) = delete;

    private:
        HandlerThread* before_;
    };

private:
    inline static thread_local HandlerThread* mine_ = nullptr;
};

}  // namespace fanfold
