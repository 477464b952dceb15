#include "worker/handler_slot.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <utility>

#include "shared/codec.hpp"
#include "worker/text.hpp"

namespace fanfold::worker {

namespace {

using Clock = std::chrono::steady_clock;

wire::Microseconds since_1970() {
    return std::chrono::duration_cast<wire::Microseconds>(std::chrono::system_clock::now().time_since_epoch());
}

wire::Microseconds between(Time from, Time to) { return std::chrono::duration_cast<wire::Microseconds>(to - from); }

wire::Failure failure_of(std::string message) { return {.message = std::move(message), .worker = {}}; }

/// Seconds from a number or a text that holds one; nothing when it is neither, or no time to wait for.
std::optional<Duration> seconds_of(std::string_view payload) {
    std::optional<double> seconds = wire::number_of(payload);
    if (auto text = wire::text_of(payload)) {
        std::string digits(*text);
        char* end = nullptr;
        double value = std::strtod(digits.c_str(), &end);
        bool whole = end != digits.c_str() && static_cast<std::size_t>(end - digits.c_str()) == digits.size();
        if (whole) seconds = value;
    }
    constexpr double longest = 365.0 * 24 * 3600;
    if (!seconds || !std::isfinite(*seconds) || *seconds < 0 || *seconds > longest) return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

}  // namespace

void HandlerSlot::start(Task task) {
    std::lock_guard lock(mutex_);
    FANFOLD_CHECK(!task_);
    task_ = std::move(task);
    overran_ = watchable_ = false;
    cancelled_ = false;
    busy_ = true;
    if (!thread_.joinable()) thread_ = std::thread([self = shared_from_this()] { self->work(); });
    else changed_.notify_all();
}

void HandlerSlot::stop(std::uint64_t task) {
    std::lock_guard lock(mutex_);
    if (!task_ || task_->number != task) return;
    cancelled_ = true;
    changed_.notify_all();
}

void HandlerSlot::watch(Time now) {
    std::lock_guard lock(mutex_);
    if (!task_ || overran_) return;
    if (seen_waiting_) flush(*seen_waiting_);  // what runs now has run since then
    else if (values_count_ > 0) seen_waiting_ = now;
    if (!watchable_ || !is_timed() || now - attempt_started_ < Duration(task_->spec.timeout)) return;
    flush(attempt_started_);
    overran_ = true;
    cancelled_ = true;  // the handler may look at its token, and return
    deliver(Overran{.task = task_->number, .index = current_});
}

void HandlerSlot::cancel() {
    std::lock_guard lock(mutex_);
    closed_ = true;
    cancelled_ = true;
    changed_.notify_all();
}

bool HandlerSlot::close(Time patience) {
    cancel();
    std::unique_lock lock(mutex_);
    if (!thread_.joinable()) return true;
    bool ended = changed_.wait_until(lock, patience, [&] { return ended_; });
    std::thread thread = std::move(thread_);
    lock.unlock();
    ended ? thread.join() : thread.detach();
    return ended;
}

// --- the slot's own thread --------------------------------------------------------------------------------------

void HandlerSlot::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [&] { return task_ || closed_; });
        if (closed_) break;
        run_task(lock);
        std::uint64_t number = task_->number;
        task_.reset();
        busy_ = false;
        deliver(Finished{.task = number});
    }
    ended_ = true;
    changed_.notify_all();
}

/// Walks through the task's payloads. The task stays where it is meanwhile: only this thread takes it away.
void HandlerSlot::run_task(std::unique_lock<std::mutex>& lock) {
    const Task& task = *task_;
    const Index end = task.first + task.count;
    current_ = values_first_ = task.first;
    begin_run(Clock::now());
    const Function* function = options_.functions->find(task.spec.function);
    FANFOLD_CHECK(function != nullptr);
    std::string_view rest = task.body.view();
    lock.unlock();
    Context context(
        {.job = to_string(task.job), .index = task.first, .attempt = task.attempt, .cancelled = &cancelled_, .log = options_.log});
    bool whole = wire::is_objects(rest, task.count);
    lock.lock();
    for (; current_ < end && !cancelled_; ++current_) {
        std::optional<wire::Failure> failure;
        if (whole) {
            std::size_t size = *wire::object_length(rest);
            context.move_to(current_);
            failure = run_fragment(lock, *function, context, rest.substr(0, size));
            rest.remove_prefix(size);
        } else {
            failure = failure_of("the chunk's payloads are not " + std::to_string(task.count) + " whole MessagePack objects");
        }
        if (overran_ || closed_ || (cancelled_ && failure)) return;
        failure ? fail(*std::move(failure)) : keep_value();
    }
    flush(Clock::now());
}

/// Leaves the value in scratch_.
std::optional<wire::Failure> HandlerSlot::run_fragment(std::unique_lock<std::mutex>& lock, const Function& function, Context& context,
                                                       std::string_view payload) {
    const auto* handler = std::get_if<RawHandler>(&function);
    bool timed = is_timed();
    if (timed || handler == nullptr) attempt_started_ = Clock::now();
    if (handler == nullptr) return sleep(lock, payload);
    watchable_ = timed;
    lock.unlock();
    auto failure = call(*handler, context, payload);
    lock.lock();
    watchable_ = false;
    return failure;
}

std::optional<wire::Failure> HandlerSlot::call(const RawHandler& handler, Context& context, std::string_view payload) {
    scratch_.clear();
    try {
        handler(context, payload, scratch_);
    } catch (const std::exception& error) {
        return failure_of(shortened(error.what(), limits::text_bytes));
    } catch (...) {
        return failure_of("the handler threw something that is no std::exception");
    }
    if (wire::object_length(scratch_) != scratch_.size()) return failure_of("the handler's value is not exactly one MessagePack object");
    if (scratch_.size() > limits::payload_bytes) {
        return failure_of("the handler's value has " + std::to_string(scratch_.size()) + " bytes, past the limit of " +
                          std::to_string(limits::payload_bytes) + " bytes; make it smaller, or write it to a file and return its name");
    }
    return std::nullopt;
}

/// fanfold.sleep: wakes at a stop, and at the timeout. Its value is its payload.
std::optional<wire::Failure> HandlerSlot::sleep(std::unique_lock<std::mutex>& lock, std::string_view payload) {
    auto wanted = seconds_of(payload);
    if (!wanted) {
        auto text = wire::text_of(payload);
        std::string found = text ? "not '" + shortened(std::string(*text), 100) + "'" : "or a text that holds it";
        return failure_of("fanfold.sleep wants a number of seconds from 0 to a year, " + found);
    }
    Duration timeout = task_->spec.timeout;
    bool too_long = is_timed() && *wanted > timeout;
    bool stopped = changed_.wait_until(lock, attempt_started_ + (too_long ? timeout : *wanted), [&] { return cancelled_ || closed_; });
    if (stopped) return wire::Failure{.kind = wire::FailureKind::cancelled, .message = "stopped", .worker = {}};
    if (too_long) return wire::Failure{.kind = wire::FailureKind::timeout, .message = timeout_text(task_->spec.timeout), .worker = {}};
    scratch_ = payload;
    return std::nullopt;
}

// --- what is finished -------------------------------------------------------------------------------------------

void HandlerSlot::begin_run(Time now) {
    run_started_ = now;
    run_stamp_ = since_1970();
    seen_waiting_.reset();
}

void HandlerSlot::keep_value() {
    constexpr std::size_t worth_moving = 64 << 10;
    if (values_.empty() && scratch_.size() >= worth_moving) values_ = std::move(scratch_);
    else values_ += scratch_;
    ++values_count_;
    if (values_.size() >= limits::block_bytes) flush(Clock::now());
}

/// Delivers what is finished, as having taken until `now`.
void HandlerSlot::flush(Time now) {
    if (values_count_ == 0) return;
    now = std::max(now, run_started_);
    deliver(Values{.task = task_->number,
                   .first = values_first_,
                   .count = values_count_,
                   .body = Slice::take(std::move(values_)),
                   .started = run_stamp_,
                   .elapsed = between(run_started_, now)});
    values_.clear();
    values_first_ += values_count_;
    values_count_ = 0;
    run_stamp_ += between(run_started_, now);
    run_started_ = now;
    seen_waiting_.reset();
}

/// Where no clock was read at its start, the failed fragment is taken to have lasted as long as each of those before it.
void HandlerSlot::fail(wire::Failure failure) {
    Time now = Clock::now();
    Time began = is_timed() ? attempt_started_ : now - (now - run_started_) / (values_count_ + 1);
    flush(began);
    failure.index = current_;
    failure.started = run_stamp_;
    failure.elapsed = between(began, now);
    deliver(Failed{.task = task_->number, .failure = std::move(failure), .output = {}});
    values_first_ = current_ + 1;
    begin_run(now);
}

void HandlerSlot::deliver(Event event) {
    if (!closed_) options_.deliver(std::move(event));
}

}  // namespace fanfold::worker
