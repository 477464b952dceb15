#include "scatterer/client/notices.hpp"

#include <exception>
#include <utility>

#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

void Notices::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void Notices::post(UserNotice notice) {
    {
        std::lock_guard lock(mutex_);
        waiting_.push_back(std::move(notice));
    }
    changed_.notify_one();
    // It is born on the client's thread, where all signals are blocked.
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
}

void Notices::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
        if (stopping_) return;
        UserNotice notice = std::move(waiting_.front());
        waiting_.pop_front();
        lock.unlock();
        try {
            (*notice.function)(notice.text);
        } catch (const std::exception& error) {
            write_log("client", {.level = Level::error,
                                 .what = "on_notice threw",
                                 .job = notice.job,
                                 .detail = error.what()});
        }
        lock.lock();
    }
}

}  // namespace fanfold::scatterer
