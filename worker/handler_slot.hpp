// One slot for C++ handlers: a thread that walks through the fragments of a task, and what it has finished and not yet
// delivered. The thread is started by the first task.
//
// Threads: start(), stop(), watch() and close() are called by others than the slot's own thread; a mutex guards everything
// that they share. Events are delivered while it is held, so they come in order; `deliver` must not call back.
// The slot is owned together with its thread, which may outlive everything else when its handler never returns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "worker/core.hpp"
#include "worker/functions.hpp"

namespace fanfold::worker {

using Deliver = std::function<void(Event)>;
using LogLine = std::function<void(const Context&, std::string_view)>;

class HandlerSlot : public std::enable_shared_from_this<HandlerSlot> {
public:
    struct Options {
        std::shared_ptr<const FunctionTable> functions;
        Deliver deliver;
        LogLine log;
    };
    explicit HandlerSlot(Options options) : options_(std::move(options)) {}

    /// Runs a task whose function is a handler or Sleep. The slot must be free.
    void start(Task task);
    /// Sets the cancellation token, if the task is this one.
    void stop(std::uint64_t task);
    /// Delivers what waits since the last look, and an attempt that runs past its timeout. Called every half flush interval.
    void watch(Time now);
    bool busy() const { return busy_.load(std::memory_order_relaxed); }

    /// Delivers nothing any more, and asks what runs to return.
    void cancel();
    /// The same, and ends the thread. A handler that does not return by `patience` is left to
    /// itself, on its thread, until the process ends; then this returns false.
    bool close(Time patience);

private:
    void work();
    void run_task(std::unique_lock<std::mutex>& lock);
    std::optional<wire::Failure> run_fragment(std::unique_lock<std::mutex>& lock, const Function& function, Context& context,
                                              std::string_view payload);
    std::optional<wire::Failure> call(const RawHandler& handler, Context& context, std::string_view payload);
    std::optional<wire::Failure> sleep(std::unique_lock<std::mutex>& lock, std::string_view payload);
    void begin_run(Time now);
    void keep_value();
    void flush(Time now);
    void fail(wire::Failure failure);
    void deliver(Event event);
    bool is_timed() const { return task_->spec.timeout.count() > 0; }

    Options options_;
    std::atomic<bool> busy_{false};
    std::atomic<bool> cancelled_{false};

    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Task> task_;
    std::thread thread_;
    bool closed_ = false;
    bool ended_ = false;      // the thread's last act
    bool overran_ = false;    // of the task
    bool watchable_ = false;  // a handler is being called, which the timeout may strike
    Index current_ = 0;       // the fragment that runs
    Time attempt_started_{};  // its start, when the task is timed
    std::string values_;      // finished, not delivered
    Index values_first_ = 0;
    std::uint32_t values_count_ = 0;
    Time run_started_{};                // when what is in values_ began to run
    wire::Microseconds run_stamp_{0};   // the same, since 1970
    std::optional<Time> seen_waiting_;  // when watch() first saw something in values_

    std::string scratch_;  // the slot's own thread's: the value being made
};

}  // namespace fanfold::worker
