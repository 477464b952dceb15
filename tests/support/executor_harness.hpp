// Executors in a test, and the mailbox that they deliver to. Every wait has a bound.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "shared/wire/codec.hpp"
#include "worker/executor.hpp"

namespace fanfold::worker::testing {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

inline constexpr auto patience = 20s;  // for anything that must come

template <class T>
std::string packed(const T& value) {
    msgpack::sbuffer buffer;
    msgpack::pack(buffer, value);
    return {buffer.data(), buffer.size()};
}

/// A door that a handler waits at until the test opens it.
class Gate {
public:
    void open() {
        std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    bool wait() {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, [&] { return open_; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
};

/// Executors and the mailbox that they deliver to.
class ExecutorStage {
public:
    explicit ExecutorStage(FunctionTable functions, std::uint32_t slots = 1) {
        executors_.emplace(Executors::Options{
            .slots = slots,
            .functions = std::move(functions),
            .deliver =
                [this](Event event) {
                    std::lock_guard lock(mutex_);
                    events_.push_back(std::move(event));
                    changed_.notify_all();
                },
            .log =
                [this](const Context& context, std::string_view text) {
                    std::lock_guard lock(mutex_);
                    logged.push_back(std::to_string(context.index()) + " " + std::string(text));
                },
            .guardian = {},
            .close_patience = 100ms});
    }

    /// Runs payloads, the first as fragment 0; returns the task's number.
    std::uint64_t run(const std::string& function, const std::vector<std::string>& payloads,
                      wire::JobSpec spec = {}, SlotId slot = 0) {
        std::string body;
        for (const std::string& payload : payloads) body += payload;
        spec.function = function;
        std::uint64_t number = ++last_;
        executors_->run({.slot = slot,
                         .task = {.number = number,
                                  .job = {},
                                  .first = 0,
                                  .count = static_cast<std::uint32_t>(payloads.size()),
                                  .attempt = 3,
                                  .body = Slice::take(body),
                                  .spec = spec}});
        return number;
    }

    Event next_event() {
        std::unique_lock lock(mutex_);
        REQUIRE_MESSAGE(changed_.wait_for(lock, patience, [&] { return !events_.empty(); }),
                        "nothing came");
        Event event = std::move(events_.front());
        events_.pop_front();
        return event;
    }
    template <class T>
    T next() {
        Event event = next_event();
        if (const auto* failed = std::get_if<Failed>(&event);
            failed != nullptr && !std::is_same_v<T, Failed>) {
            FAIL("failed: ", failed->failure.message);
        }
        REQUIRE_MESSAGE(std::holds_alternative<T>(event), "another event: ", event.index());
        return std::get<T>(std::move(event));
    }
    /// The values of all fragments up to Finished, which must have no failure among them.
    std::vector<std::string> values() {
        std::vector<std::string> found;
        while (true) {
            std::unique_lock lock(mutex_);
            REQUIRE_MESSAGE(changed_.wait_for(lock, patience, [&] { return !events_.empty(); }),
                            "nothing came");
            if (!std::holds_alternative<Values>(events_.front())) break;
            lock.unlock();
            auto run = next<Values>();
            CHECK(run.first == found.size());
            std::string_view rest = run.body.view();
            for (std::uint32_t i = 0; i < run.count; ++i) {
                auto length = wire::object_length(rest);
                REQUIRE(length);
                found.emplace_back(rest.substr(0, *length));
                rest.remove_prefix(*length);
            }
            CHECK(rest.empty());
        }
        next<Finished>();
        return found;
    }
    wire::Failure failure() { return next<Failed>().failure; }
    Executors& executors() { return *executors_; }

    std::vector<std::string> logged;

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Event> events_;
    std::uint64_t last_ = 0;
    std::optional<Executors> executors_;  // last, so it goes first
};

inline FunctionTable with(const std::string& name, RawHandler handler) {
    FunctionTable table;
    table.add_handler(name, std::move(handler));
    return table;
}

template <class Handler>
FunctionTable typed_function(Handler handler) {
    return with("typed", fanfold::detail::make_raw(std::move(handler)));
}

}  // namespace fanfold::worker::testing
