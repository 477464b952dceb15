// What a slot's thread does while its handler waits for an inner job: it runs tasks of other slots,
// its guests, which the core chooses among the fragments of the handler's inner jobs (leapfrogging:
// Wagner and Calder 1993). A part of its slot.
//
// Threads: take() is called by the shell's thread; Running belongs to the thread that runs the
// handler; wake() is for any. `on_wait` is called with the mutex held, so that what it says comes
// in order.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>

#include "shared/base/handler_thread.hpp"
#include "worker/include/fanfold/worker.hpp"

namespace fanfold::worker {

class Helper final : public HandlerThread {
public:
    explicit Helper(std::function<void(bool waits)> on_wait) : on_wait_(std::move(on_wait)) {}

    /// The calling thread runs handlers with this context while it lives.
    class Running {
    public:
        Running(Helper& helper, const Context& context) : thread_(helper) {
            helper.context_ = &context;
        }

    private:
        HandlerThread::Running thread_;
        detail::HandlerLevel level_;
    };

    struct Guest {
        std::function<void()> begin;  // at once, on the caller's thread
        std::function<void()> run;    // then, on the thread that waits
    };
    /// False, and on_wait said so once more, when the handler does not wait at this moment. The
    /// guest before must have ended.
    bool take(Guest guest);

    Parent parent() const override { return *context_; }
    void help(Time until) override;
    void wake() override;

private:
    const std::function<void(bool)> on_wait_;
    const Context* context_ = nullptr;  // the running thread's own
    std::mutex mutex_;
    std::condition_variable changed_;
    bool helping_ = false;
    bool woken_ = false;
    std::function<void()> guest_;  // to be run
};

}  // namespace fanfold::worker
