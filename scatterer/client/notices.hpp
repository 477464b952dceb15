// Hands notices to the users' functions, one at a time, on a thread of its own: a function may take
// its time, and may call the scatterer. The thread starts with the first notice, as most clients
// never get one.
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

struct UserNotice {
    std::shared_ptr<const std::function<void(const std::string&)>> function;
    std::string text;
    JobId job;
};

class Notices {
public:
    Notices() = default;
    ~Notices() { stop(); }
    Notices(const Notices&) = delete;
    Notices& operator=(const Notices&) = delete;

    void post(UserNotice notice);
    /// What has not been handed over is dropped. Waits for a function that runs. Idempotent.
    void stop();

private:
    void run();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<UserNotice> waiting_;
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace fanfold::scatterer
