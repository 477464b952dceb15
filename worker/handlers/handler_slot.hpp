// One slot for C++ handlers: it walks through the fragments of a task, on its own thread, which is
// started by the first task that needs it, or on one that is lent to it.
//
// The thread that runs a task claims its fragments in batches, which grow while fragments are
// short, so that no lock is taken for each of them; it puts the values where the watch can take
// them while it goes on. What is not claimed can be given up.
//
// Threads: all but run_begun() are called by others than the thread that runs; a mutex guards
// everything that they share. Events are delivered while it is held, so they come in order;
// `deliver` must not call back. The slot is owned together with its thread, which may outlive
// everything else when its handler never returns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "worker/core/events.hpp"
#include "worker/handlers/functions.hpp"
#include "worker/handlers/helper.hpp"
#include "worker/handlers/pace.hpp"
#include "worker/handlers/payloads.hpp"
#include "worker/handlers/task_report.hpp"

namespace fanfold::worker {

using LogLine = std::function<void(const Context&, std::string_view)>;
using Paces = std::map<std::string, Pace>;  // of all functions, by name

class HandlerSlot : public std::enable_shared_from_this<HandlerSlot> {
public:
    struct Options {
        std::shared_ptr<const FunctionTable> functions;
        std::shared_ptr<Paces> paces;
        Deliver deliver;
        LogLine log;
    };
    explicit HandlerSlot(Options options);

    /// Runs a task whose function is a handler, Sleep or Echo. The slot must be free.
    void start(Task task);
    /// The same, for a thread that is lent: it calls run_begun().
    void begin_here(Task task);
    /// Runs what was begun so on the calling thread, until its end.
    void run_begun();
    /// What its thread does while a handler waits.
    Helper& helper() { return helper_; }
    /// Sets the cancellation token, if the task is this one.
    void stop(std::uint64_t task);
    /// Gives up what the task has not claimed from that index on, and delivers Trimmed; false if
    /// the task is not this one.
    bool trim(const Trim& action);
    /// Delivers what waits since the last scan, and an attempt that runs past its timeout. Called
    /// every limits::watch_interval.
    void scan(Time now);
    bool busy() const { return busy_.load(std::memory_order_relaxed); }

    /// Delivers nothing any more, and asks what runs to return.
    void cancel();
    /// The same, and waits until then for what runs to end, and the thread with it; false when it
    /// has not. May be called again.
    bool close(Time until);
    /// Leaves a handler that has not returned to itself, on its thread.
    void leave_behind();

private:
    /// Why the thread that runs goes back to the lock.
    enum class Pause : std::uint8_t {
        batch_done,
        stopped,  // the token is set, or the fragment ran past its timeout
        no_room,  // for the value in scratch_
        failed,   // failure_ says why
    };
    void begin(Task task, bool here);
    void end_without_thread(const std::string& why);
    void end();
    void work();
    void run_task(std::unique_lock<std::mutex>& lock);
    void echo_all(std::unique_lock<std::mutex>& lock);
    void fail_all();
    void call_all(std::unique_lock<std::mutex>& lock, const RawHandler& handler);
    Pause call_batch(const RawHandler& handler, Context& context);
    bool call(const RawHandler& handler, Context& context, std::string_view payload);
    bool settle(Pause pause, Time now);
    void sleep_all(std::unique_lock<std::mutex>& lock);
    std::optional<wire::Failure> sleep(std::unique_lock<std::mutex>& lock,
                                       std::string_view payload);
    void fail(wire::Failure failure, Time now);
    Index next() { return report_.values().next(); }
    bool is_timed() const { return task_->spec.timeout.count() > 0; }
    Time attempt_started() const {
        return Time(Duration(attempt_started_.load(std::memory_order_acquire)));
    }
    void attempt_starts(Time now) {
        attempt_started_.store(now.time_since_epoch().count(), std::memory_order_release);
    }

    Options options_;
    std::atomic<bool> busy_{false};
    std::atomic<bool> cancelled_{false};
    std::atomic<Duration::rep> attempt_started_{0};  // when the task is timed

    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<Task> task_;
    std::thread thread_;
    bool closed_ = false;
    bool ended_ = false;      // the thread's last act
    bool here_ = false;       // the task runs on a lent thread
    bool overran_ = false;    // of the task
    bool watchable_ = false;  // handlers are being called, which the timeout may strike
    Index claimed_ = 0;       // what is below will be run
    Index end_ = 0;           // what is not below will not
    TaskReport report_;
    Helper helper_;

    // The running thread's own.
    std::string scratch_;  // the value being made
    std::optional<wire::Failure> failure_;
    Payloads payloads_;
};

}  // namespace fanfold::worker
