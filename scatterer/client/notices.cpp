#include "scatterer/client/notices.hpp"

#include <exception>
#include <utility>

#include "shared/base/thread.hpp"
#include "shared/log/logging.hpp"

namespace fanfold::scatterer {

void NoticeFunction::call(const std::string& text) {
    std::lock_guard lock(calling_);
    if (auto function = function_) (*function)(text);
}

void NoticeFunction::close() {
    std::lock_guard lock(calling_);
    function_.reset();
}

void Notices::post(UserNotice notice) {
    if (!thread_.joinable()) {
        auto thread = start_thread([shared = shared_] { run(*shared); });
        if (!thread)
            return write_log("client", {.level = Level::error,
                                        .what = "a notice is not passed on",
                                        .job = notice.job,
                                        .detail = thread.error().text + ": " + notice.text});
        thread_ = *std::move(thread);
    }
    {
        std::lock_guard lock(shared_->mutex);
        shared_->waiting.push_back(std::move(notice));
    }
    shared_->changed.notify_all();
}

void Notices::release_this_thread() {
    {
        std::lock_guard lock(shared_->mutex);
        if (shared_->running != std::this_thread::get_id()) return;
        shared_->released = true;
    }
    shared_->changed.notify_all();
}

void Notices::stop() {
    std::unique_lock lock(shared_->mutex);
    shared_->stopping = true;
    shared_->changed.notify_all();
    shared_->changed.wait(
        lock, [this] { return shared_->running == std::thread::id() || shared_->released; });
    const bool released = shared_->released;
    lock.unlock();
    if (!thread_.joinable()) return;
    if (released) thread_.detach();
    else thread_.join();
}

void Notices::run(Shared& shared) {
    std::unique_lock lock(shared.mutex);
    for (;;) {
        shared.changed.wait(lock, [&] { return shared.stopping || !shared.waiting.empty(); });
        if (shared.stopping) return;
        UserNotice notice = std::move(shared.waiting.front());
        shared.waiting.pop_front();
        shared.running = std::this_thread::get_id();
        lock.unlock();
        try {
            notice.function->call(notice.text);
        } catch (const std::exception& error) {
            write_log("client", {.level = Level::error,
                                 .what = "on_notice threw",
                                 .job = notice.job,
                                 .detail = error.what()});
        }
        notice = {};  // what the function holds may be the last to hold the scatterer
        lock.lock();
        shared.running = {};
        shared.changed.notify_all();
    }
}

}  // namespace fanfold::scatterer
