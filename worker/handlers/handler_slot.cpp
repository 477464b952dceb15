#include "worker/handlers/handler_slot.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <utility>

#include "shared/wire/codec.hpp"
#include "worker/core/kept_results.hpp"
#include "worker/core/text.hpp"

namespace fanfold::worker {

namespace {

using Clock = std::chrono::steady_clock;

wire::Microseconds since_1970() {
    return std::chrono::duration_cast<wire::Microseconds>(
        std::chrono::system_clock::now().time_since_epoch());
}

wire::Microseconds between(Time from, Time to) {
    return std::chrono::duration_cast<wire::Microseconds>(to - from);
}

constexpr Duration batch_target = std::chrono::microseconds(50);
constexpr Index most_claimed = 4096;

wire::Failure failure_of(std::string message) {
    return {.message = std::move(message), .worker = {}};
}

/// Seconds from a number or a text that holds one; nothing when it is neither, or no time to wait
/// for.
std::optional<Duration> seconds_of(std::string_view payload) {
    std::optional<double> seconds = wire::number_of(payload);
    if (auto text = wire::text_of(payload)) {
        std::string digits(*text);
        char* end = nullptr;
        double value = std::strtod(digits.c_str(), &end);
        bool whole = end != digits.c_str() &&
                     static_cast<std::size_t>(end - digits.c_str()) == digits.size();
        if (whole) seconds = value;
    }
    constexpr double longest = 365.0 * 24 * 3600;
    if (!seconds || !std::isfinite(*seconds) || *seconds < 0 || *seconds > longest)
        return std::nullopt;
    return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
}

}  // namespace

void HandlerSlot::start(Task task) {
    std::lock_guard lock(mutex_);
    begin(std::move(task), false);
    if (!thread_.joinable()) thread_ = std::thread([self = shared_from_this()] { self->work(); });
    else changed_.notify_all();
}

void HandlerSlot::run_here(Task task) {
    std::unique_lock lock(mutex_);
    begin(std::move(task), true);
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
    values_.begin(task.first, task.body.size());
    task_ = std::move(task);
    busy_ = true;
}

void HandlerSlot::end() {
    std::uint64_t number = task_->number;
    task_.reset();
    busy_ = false;
    deliver(Finished{.task = number});
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
    deliver(Trimmed{.task = action.task, .range = given_up});
    return true;
}

void HandlerSlot::watch(Time now) {
    std::lock_guard lock(mutex_);
    if (!task_ || overran_) return;
    if (seen_waiting_) {
        bool same =
            values_.next() == seen_waiting_->next;  // then what runs now has run since that look
        deliver_part(values_.take_copy(), same ? seen_waiting_->at : now);
    } else if (values_.waiting() > 0) {
        seen_waiting_ = {now, values_.next()};
    }
    if (!watchable_) return;
    Index index = values_.next();
    Time started = attempt_started();
    // Only if that one has not been finished meanwhile.
    if (now - started < Duration(task_->spec.timeout) || !values_.close_at(index)) return;
    deliver_part(values_.take_copy(), started);
    overran_ = true;
    cancelled_ = true;  // the handler may look at its token, and return
    deliver(Overran{.task = task_->number, .index = index});
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
    bool own_thread = thread_.joinable();
    bool all_ended =
        changed_.wait_until(lock, patience, [&] { return (!own_thread || ended_) && !here_; });
    std::thread thread = std::move(thread_);
    bool joins = ended_;
    lock.unlock();
    if (own_thread) joins ? thread.join() : thread.detach();
    return all_ended;
}

// --- the thread that runs
// -----------------------------------------------------------------------------------------

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
    Time began = Clock::now();
    begin_run(began);
    if (std::holds_alternative<Echo>(*function)) {
        echo_all(lock);
    } else {
        lock.unlock();
        bool whole = measure(task);
        lock.lock();
        if (!whole) return fail_all();
        if (const auto* handler = std::get_if<RawHandler>(function)) call_all(lock, *handler);
        else sleep_all(lock);
    }
    if (overran_ || closed_) return;
    Time now = Clock::now();
    flush(now);
    if (auto pace = options_.paces->find(task.spec.function); pace != options_.paces->end())
        pace->second.add(now - began, at_);
}

/// fanfold.echo: the chunk is its own result, neither copied nor cut.
void HandlerSlot::echo_all(std::unique_lock<std::mutex>& lock) {
    const Task& task = *task_;
    claimed_ = end_;
    lock.unlock();
    bool whole = wire::is_objects(task.body.view(), task.count);
    lock.lock();
    if (!whole) return fail_all();
    at_ = end_ - task.first;
    auto body = at_ == task.count ? task.body : cut_objects(task.body, task.count, 0, at_).value();
    ValueBuffer::Part all{
        .first = task.first, .count = static_cast<std::uint32_t>(at_), .body = std::move(body)};
    if (!cancelled_) deliver_part(std::move(all), Clock::now());
}

/// Finds the payloads; false when the body is not exactly these.
bool HandlerSlot::measure(const Task& task) {
    at_ = offset_ = 0;
    lengths_.clear();
    std::string_view rest = task.body.view();
    if (task.count > rest.size()) return false;  // each takes a byte at least
    lengths_.reserve(task.count);
    for (std::uint32_t i = 0; i < task.count; ++i) {
        auto length = wire::object_length(rest);
        if (!length) return false;
        lengths_.push_back(static_cast<std::uint32_t>(*length));
        rest.remove_prefix(*length);
    }
    return rest.empty();
}

void HandlerSlot::fail_all() {
    std::string why = "the chunk's payloads are not " + std::to_string(task_->count) +
                      " whole MessagePack objects";
    while (values_.next() < end_ && !cancelled_) fail(failure_of(why));
}

void HandlerSlot::call_all(std::unique_lock<std::mutex>& lock, const RawHandler& handler) {
    Context context({.job = to_string(task_->job),
                     .index = task_->first,
                     .attempt = task_->attempt,
                     .cancelled = &cancelled_,
                     .log = options_.log});
    Index batch = 1;
    Time began = run_started_;
    while (values_.next() < end_ && !cancelled_) {
        claimed_ = std::min(values_.next() + batch, end_);
        attempt_starts(began);
        watchable_ = is_timed();
        lock.unlock();
        Pause pause = call_batch(handler, context);
        Time now = Clock::now();
        lock.lock();
        watchable_ = false;
        if (!settle(pause)) return;
        claimed_ = values_.next();
        Duration took = now - began;
        if (took > batch_target)
            batch = std::max<Index>(1, batch * static_cast<Index>(batch_target.count()) /
                                           static_cast<Index>(took.count()));
        else if (took < batch_target / 2) batch = std::min(batch * 2, most_claimed);
        began = now;
    }
}

/// Without the lock, from the next fragment to the last that is claimed. For a timed task each
/// fragment begins when the one before ends.
HandlerSlot::Pause HandlerSlot::call_batch(const RawHandler& handler, Context& context) {
    const bool timed = is_timed();
    for (Index index = values_.next(), claimed = claimed_; index < claimed; ++index) {
        if (cancelled_.load(std::memory_order_relaxed)) return Pause::stopped;
        context.move_to(index);
        if (!call(handler, context, next_payload())) return Pause::failed;
        if (!timed) {
            if (!values_.add(scratch_)) return Pause::no_room;
            continue;
        }
        attempt_starts(Clock::now());
        switch (values_.add_before_close(scratch_)) {
            case ValueBuffer::Added::yes: break;
            case ValueBuffer::Added::no_room: return Pause::no_room;
            case ValueBuffer::Added::closed: return Pause::stopped;
        }
    }
    return Pause::batch_done;
}

/// With the lock again; false when nothing of the task counts any more.
bool HandlerSlot::settle(Pause pause) {
    if (overran_ || closed_) return false;
    switch (pause) {
        case Pause::batch_done:
        case Pause::stopped: return true;
        case Pause::no_room: keep_with_room(); return true;
        case Pause::failed:
            if (cancelled_) return false;
            fail(*std::exchange(failure_, std::nullopt));
            return true;
    }
    return true;
}

std::string_view HandlerSlot::next_payload() {
    std::string_view payload = task_->body.view().substr(offset_, lengths_[at_]);
    offset_ += lengths_[at_++];
    return payload;
}

/// Leaves the value in scratch_, or says in failure_ why there is none.
bool HandlerSlot::call(const RawHandler& handler, Context& context, std::string_view payload) {
    scratch_.clear();
    try {
        handler(context, payload, scratch_);
    } catch (const std::exception& error) {
        failure_ = failure_of(shortened(error.what(), limits::text_bytes));
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
    while (values_.next() < end_ && !cancelled_) {
        claimed_ = values_.next() + 1;
        attempt_starts(Clock::now());
        auto failure = sleep(lock, next_payload());
        if (closed_ || (cancelled_ && failure)) return;
        if (failure) fail(*std::move(failure));
        else keep_with_room();
    }
}

/// Wakes at a stop, and at the timeout. Its value is its payload.
std::optional<wire::Failure> HandlerSlot::sleep(std::unique_lock<std::mutex>& lock,
                                                std::string_view payload) {
    auto wanted = seconds_of(payload);
    if (!wanted) {
        auto text = wire::text_of(payload);
        std::string found =
            text ? "not '" + shortened(std::string(*text), 100) + "'" : "or a text that holds it";
        return failure_of("fanfold.sleep wants a number of seconds from 0 to a year, " + found);
    }
    Duration timeout = task_->spec.timeout;
    bool too_long = is_timed() && *wanted > timeout;
    bool stopped = changed_.wait_until(lock, attempt_started() + (too_long ? timeout : *wanted),
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

// --- what is finished, with the lock
// ------------------------------------------------------------------------------

void HandlerSlot::begin_run(Time now) {
    run_started_ = now;
    run_stamp_ = since_1970();
    seen_waiting_.reset();
}

/// The value in scratch_, for which there was no room.
void HandlerSlot::keep_with_room() {
    if (values_.size() + scratch_.size() > limits::block_bytes) flush(Clock::now());
    values_.add_with_room(scratch_);
    if (values_.size() >= limits::block_bytes) flush(Clock::now());
}

/// By the running thread: delivers what is finished, as having taken until `now`.
void HandlerSlot::flush(Time now) { deliver_part(values_.take_all(values_.next()), now); }

void HandlerSlot::deliver_part(ValueBuffer::Part part, Time now) {
    seen_waiting_.reset();
    if (part.count == 0) return;
    auto elapsed = between(run_started_, std::max(now, run_started_));
    deliver(Values{.task = task_->number,
                   .first = part.first,
                   .count = part.count,
                   .body = std::move(part.body),
                   .started = run_stamp_,
                   .elapsed = elapsed});
    run_stamp_ += elapsed;
    run_started_ = std::max(now, run_started_);
}

/// Where no clock was read at its start, the failed fragment is taken to have lasted as long as
/// each of those before it.
void HandlerSlot::fail(wire::Failure failure) {
    Time now = Clock::now();
    Time began =
        is_timed() ? attempt_started() : now - (now - run_started_) / (values_.waiting() + 1);
    Index index = values_.next();
    deliver_part(values_.take_all(index + 1), began);
    failure.index = index;
    failure.started = run_stamp_;
    failure.elapsed = between(began, now);
    deliver(Failed{.task = task_->number, .failure = std::move(failure), .output = {}});
    begin_run(now);
}

void HandlerSlot::deliver(Event event) {
    if (!closed_) options_.deliver(std::move(event));
}

}  // namespace fanfold::worker
