#include "worker/handlers/handler_slot.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <system_error>
#include <utility>

#include "shared/wire/codec.hpp"
#include "shared/wire/tolerance.hpp"
#include "worker/core/chunk.hpp"
#include "worker/core/text.hpp"
#include "worker/limits.hpp"

namespace fanfold::worker {

namespace {

using Clock = std::chrono::steady_clock;

wire::Failure failure_of(std::string message) {
    return {.message = std::move(message), .worker = {}};
}

/// So many fragments to claim next, after a batch that took so long.
Index next_batch(Index batch, Duration took) {
    constexpr Duration target = limits::batch_target;
    if (took > target)
        return std::max<Index>(
            1, batch * static_cast<Index>(target.count()) / static_cast<Index>(took.count()));
    if (took < target / 2) return std::min<Index>(batch * 2, limits::batch_fragments);
    return batch;
}

/// What the task's job is part of.
Parent outer_of(const wire::JobSpec& spec) {
    Parent outer;
    for (const wire::OuterAttempt& attempt : spec.outer)
        outer.attempts.push_back(
            {.job = to_string(attempt.job), .index = attempt.index, .attempt = attempt.attempt});
    return outer;
}

}  // namespace

HandlerSlot::HandlerSlot(Options options)
    : options_(std::move(options)),
      report_(std::move(options_.deliver)),
      helper_([this](bool waits) {
          std::lock_guard lock(mutex_);
          if (task_) report_.deliver(Waits{.task = task_->number, .waits = waits});
      }) {}

void HandlerSlot::start(Task task) {
    std::lock_guard lock(mutex_);
    begin(std::move(task), false);
    if (thread_.joinable()) return changed_.notify_all();
    try {
        thread_ = std::thread([self = shared_from_this()] { self->work(); });
    } catch (const std::system_error& error) {
        end_without_thread(error.what());
    }
}

void HandlerSlot::end_without_thread(const std::string& why) {
    const Time now = Clock::now();
    report_.begin_run(now);
    while (next() < end_)
        report_.fail(failure_of("the worker has no thread for it: " + why), now, now,
                     wire::TroubleKind::worker);
    end();
}

void HandlerSlot::begin_here(Task task) {
    std::lock_guard lock(mutex_);
    begin(std::move(task), true);
}

void HandlerSlot::run_begun() {
    std::unique_lock lock(mutex_);
    run_task(lock);
    end();
    here_ = false;
    if (closed_) changed_.notify_all();
}

void HandlerSlot::begin(Task task, bool here) {
    FANFOLD_CHECK(!task_);
    here_ = here;
    overran_ = watchable_ = false;
    cancelled_ = closed_;
    claimed_ = task.first;
    end_ = task.first + task.count;
    report_.begin(task);
    task_ = std::move(task);
    busy_ = true;
}

void HandlerSlot::end() {
    std::uint64_t number = task_->number;
    task_.reset();
    busy_ = false;
    report_.deliver(Finished{.task = number});
}

void HandlerSlot::stop(std::uint64_t task) {
    std::lock_guard lock(mutex_);
    if (!task_ || task_->number != task) return;
    cancelled_ = true;
    changed_.notify_all();
}

bool HandlerSlot::trim(const Trim& action) {
    std::lock_guard lock(mutex_);
    if (!task_ || task_->number != action.task) return false;
    Range given_up{std::max(action.from, claimed_), end_};
    if (given_up.empty()) given_up = {};
    else end_ = given_up.begin;
    report_.deliver(Trimmed{.task = action.task, .range = given_up});
    return true;
}

void HandlerSlot::scan(Time now) {
    std::lock_guard lock(mutex_);
    if (!task_ || overran_) return;
    report_.scan(now);
    if (!watchable_) return;
    const Index index = next();
    const Time started = attempt_started();
    if (now - started < Duration(task_->spec.timeout) || !report_.overrun(index, started)) return;
    overran_ = true;
    cancelled_ = true;  // the handler may look at its token, and return
}

void HandlerSlot::cancel() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    cancelled_ = true;
    report_.close();
    changed_.notify_all();
}

bool HandlerSlot::close(Time until) {
    cancel();
    std::unique_lock lock(mutex_);
    const bool all_ended =
        changed_.wait_until(lock, until, [&] { return (!thread_.joinable() || ended_) && !here_; });
    std::thread thread;
    if (ended_) thread = std::move(thread_);
    lock.unlock();
    if (thread.joinable()) thread.join();
    return all_ended;
}

void HandlerSlot::leave_behind() {
    std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.detach();
}

// --- the thread that runs

void HandlerSlot::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return (task_ && !here_) || closed_; });
        if (closed_) break;
        run_task(lock);
        end();
    }
    ended_ = true;
    changed_.notify_all();
}

/// Walks through the task's payloads. The task stays where it is meanwhile: only this thread takes
/// it away.
void HandlerSlot::run_task(std::unique_lock<std::mutex>& lock) {
    const Task& task = *task_;
    const Function* function = options_.functions->find(task.spec.function);
    FANFOLD_CHECK(function != nullptr);
    const Time began = Clock::now();
    report_.begin_run(began);
    const bool echo = std::holds_alternative<Echo>(*function);
    if (echo) {
        echo_all(lock);
    } else {
        lock.unlock();
        const bool whole = payloads_.begin(task.body.view(), task.count);
        lock.lock();
        if (!whole) return fail_all();
        if (const auto* handler = std::get_if<RawHandler>(function)) call_all(lock, *handler);
        else sleep_all(lock);
    }
    if (overran_ || closed_) return;
    const Time now = Clock::now();
    const Index ran = (echo ? end_ : next()) - task.first;
    report_.flush(now);
    if (auto pace = options_.paces->find(task.spec.function); pace != options_.paces->end())
        pace->second.add(now - began, ran);
}

/// fanfold.echo: the chunk is its own result, neither copied nor cut.
void HandlerSlot::echo_all(std::unique_lock<std::mutex>& lock) {
    const Task& task = *task_;
    claimed_ = end_;
    lock.unlock();
    bool whole = wire::is_objects(task.body.view(), task.count);
    lock.lock();
    if (!whole) return fail_all();
    const Index count = end_ - task.first;
    auto body = cut_objects(task.body, {.total = task.count, .count = count}).value();
    if (cancelled_) return;
    report_.keep_whole(
        {.first = task.first, .count = static_cast<std::uint32_t>(count), .body = std::move(body)},
        Clock::now());
}

void HandlerSlot::fail_all() {
    std::string why = "the chunk's payloads are not " + std::to_string(task_->count) +
                      " whole MessagePack objects";
    while (next() < end_ && !cancelled_) fail(failure_of(why), Clock::now());
}

void HandlerSlot::call_all(std::unique_lock<std::mutex>& lock, const RawHandler& handler) {
    Context context({.job = to_string(task_->job),
                     .index = task_->first,
                     .attempt = task_->attempt,
                     .cancelled = &cancelled_,
                     .log = options_.log,
                     .outer = outer_of(task_->spec)});
    const Helper::Running running(helper_, context);
    Index batch = 1;
    Time began = Clock::now();
    while (next() < end_ && !cancelled_) {
        claimed_ = std::min(next() + batch, end_);
        attempt_starts(began);
        watchable_ = is_timed();
        lock.unlock();
        Pause pause = call_batch(handler, context);
        Time now = Clock::now();
        lock.lock();
        watchable_ = false;
        if (!settle(pause, now)) return;
        claimed_ = next();
        batch = next_batch(batch, now - began);
        began = now;
    }
}

/// Without the lock, from the next fragment to the last that is claimed. For a timed task each
/// fragment begins when the one before ends.
HandlerSlot::Pause HandlerSlot::call_batch(const RawHandler& handler, Context& context) {
    const bool timed = is_timed();
    ValueBuffer& values = report_.values();
    for (Index index = values.next(), claimed = claimed_; index < claimed; ++index) {
        if (cancelled_.load(std::memory_order_relaxed)) return Pause::stopped;
        context.move_to(index);
        if (!call(handler, context, payloads_.next())) return Pause::failed;
        if (!timed) {
            if (!values.add(scratch_)) return Pause::no_room;
            continue;
        }
        attempt_starts(Clock::now());
        switch (values.add_before_close(scratch_)) {
            case ValueBuffer::Added::yes: break;
            case ValueBuffer::Added::no_room: return Pause::no_room;
            case ValueBuffer::Added::closed: return Pause::stopped;
        }
    }
    return Pause::batch_done;
}

/// With the lock again; false when nothing of the task counts any more.
bool HandlerSlot::settle(Pause pause, Time now) {
    if (overran_ || closed_) return false;
    switch (pause) {
        case Pause::batch_done:
        case Pause::stopped: return true;
        case Pause::no_room: report_.keep_with_room(scratch_, now); return true;
        case Pause::failed:
            if (cancelled_) return false;
            fail(*std::exchange(failure_, std::nullopt), now);
            return true;
    }
    return true;
}

/// Leaves the value in scratch_, or says in failure_ why there is none.
bool HandlerSlot::call(const RawHandler& handler, Context& context, std::string_view payload) {
    scratch_.clear();
    try {
        handler(context, payload, scratch_);
    } catch (const std::exception& error) {
        failure_ = failure_of(error.what());
        return false;
    } catch (...) {
        failure_ = failure_of("the handler threw something that is no std::exception");
        return false;
    }
    if (wire::object_length(scratch_) != scratch_.size()) {
        failure_ = failure_of("the handler's value is not exactly one MessagePack object");
        return false;
    }
    if (scratch_.size() > limits::payload_bytes) {
        failure_ = failure_of("the handler's value has " + std::to_string(scratch_.size()) +
                              " bytes, past the limit of " + std::to_string(limits::payload_bytes) +
                              " bytes; make it smaller, or write it to a file and return its name");
        return false;
    }
    return true;
}

/// fanfold.sleep: one at a time, and with the lock, but for the time in which it sleeps.
void HandlerSlot::sleep_all(std::unique_lock<std::mutex>& lock) {
    while (next() < end_ && !cancelled_) {
        claimed_ = next() + 1;
        attempt_starts(Clock::now());
        auto failure = sleep(lock, payloads_.next());
        if (closed_ || (cancelled_ && failure)) return;
        if (failure) fail(*std::move(failure), Clock::now());
        else report_.keep_with_room(scratch_, Clock::now());
    }
}

/// Wakes at a stop, and at the timeout. Its value is its payload.
std::optional<wire::Failure> HandlerSlot::sleep(std::unique_lock<std::mutex>& lock,
                                                std::string_view payload) {
    auto wanted = Sleep::time(payload);
    if (!wanted) return failure_of(std::move(wanted.error().text));
    const Duration timeout = task_->spec.timeout;
    const bool too_long = is_timed() && *wanted > timeout;
    const bool stopped =
        changed_.wait_until(lock, attempt_started() + (too_long ? timeout : *wanted),
                            [&] { return cancelled_ || closed_; });
    if (stopped)
        return wire::Failure{
            .kind = wire::FailureKind::cancelled, .message = "stopped", .worker = {}};
    if (too_long)
        return wire::Failure{.kind = wire::FailureKind::timeout,
                             .message = timeout_text(task_->spec.timeout),
                             .worker = {}};
    scratch_ = payload;
    return std::nullopt;
}

void HandlerSlot::fail(wire::Failure failure, Time now) {
    report_.fail(std::move(failure), now,
                 is_timed() ? std::optional(attempt_started()) : std::nullopt);
    if (wire::pauses_at_failure(task_->spec, task_->attempt))
        end_ = next();  // the rest is the broker's to decide on
}

}  // namespace fanfold::worker
