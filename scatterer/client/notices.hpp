// Hands notices to the users' functions, one at a time, on a thread of its own: a function may take
// its time, and may call the scatterer, or destroy it. The thread starts with the first notice, as
// most clients never get one.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "shared/base/ids.hpp"

namespace fanfold::scatterer {

/// The user's function for the notices of one job. Any thread.
class NoticeFunction {
public:
    using Function = std::function<void(const std::string&)>;
    explicit NoticeFunction(Function function)
        : function_(std::make_shared<const Function>(std::move(function))) {}

    void call(const std::string& text);
    /// It is called no more, and what it holds is let go of. Waits for a call that runs, unless
    /// that is made by this thread: then what it holds is let go of after the call.
    void close();

private:
    std::recursive_mutex calling_;
    std::shared_ptr<const Function> function_;
};

struct UserNotice {
    std::shared_ptr<NoticeFunction> function;
    std::string text;
    JobId job;
};

class Notices {
public:
    Notices() = default;
    ~Notices() { stop(); }
    Notices(const Notices&) = delete;
    Notices& operator=(const Notices&) = delete;

    // The client's thread.
    void post(UserNotice notice);
    /// What has not been handed over is dropped. Waits for a function that runs, unless it runs on
    /// a thread that was released. Idempotent.
    void stop();

    /// Any thread, before it waits for the client's: if a function runs on it, stop() does not wait
    /// for that function.
    void release_this_thread();

private:
    /// The thread shares it, as it may live longer than the client.
    struct Shared {
        std::mutex mutex;
        std::condition_variable changed;
        std::deque<UserNotice> waiting;
        std::thread::id running;  // the thread, while it calls a function
        bool stopping = false;
        bool released = false;
    };
    static void run(Shared& shared);

    const std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
    std::thread thread_;
};

}  // namespace fanfold::scatterer
