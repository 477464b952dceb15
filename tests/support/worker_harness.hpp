// Steps a worker's core in a test: builders for what the broker and the executors say, and a record
// of what the core does that fails a test which leaves an action unlooked at.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "worker/core/core.hpp"

namespace fanfold::worker::testing {

using namespace std::chrono_literals;

inline const wire::GathererRef first_gatherer{
    .name = "g1", .epoch = {1, 1}, .results = {"inproc://g1"}, .collect = {}};
inline const wire::GathererRef second_gatherer{
    .name = "g2", .epoch = {1, 2}, .results = {"inproc://g2"}, .collect = {}};

inline JobId job_number(std::uint8_t number) {
    JobId job;
    job.bytes[15] = number;
    return job;
}
inline const JobId job_one = job_number(1);
inline const JobId job_two = job_number(2);

/// Payloads or values: small integers back to back.
inline Slice numbers(Index first, std::uint64_t count) {
    std::string body;
    for (Index i = first; i < first + count; ++i) body += static_cast<char>(i & 0x7f);
    return Slice::take(std::move(body));
}

/// Steps a core, and holds what it does until the test has looked at it.
class WorkerBench {
public:
    explicit WorkerBench(std::uint32_t slots = 1)
        : core_({.name = "w1",
                 .epoch = {0, 7},
                 .slots = slots,
                 .functions = {"square", "cube"},
                 .idempotent = {"square"},
                 .labels = {"gpu"},
                 .resources = {{"mem", 5}}}) {}
    ~WorkerBench() {
        CHECK_MESSAGE(actions_.empty(), "actions that nobody looked at: ", names());
        if (!left_) core_.check_invariants();
    }

    void step(Event event) {
        std::vector<Action> actions;
        core_.step(now, std::move(event), actions);
        core_.check_invariants();
        for (Action& action : actions) {
            if (std::holds_alternative<Leave>(action)) left_ = true;
            if (!std::holds_alternative<Note>(action)) actions_.push_back(std::move(action));
            else notes.push_back(std::get<Note>(action));
        }
    }
    void tick(Duration later = 0ms) {
        now += later;
        step(Tick{});
    }
    void broker(wire::Message message, Slice body = {}) {
        step(FromBroker{std::move(message), std::move(body)});
    }

    /// The next action, which must be of this type.
    template <class T>
    T take() {
        REQUIRE_MESSAGE(!actions_.empty(), "no action left");
        REQUIRE_MESSAGE(std::holds_alternative<T>(actions_.front()), "the next of: ", names());
        T action = std::get<T>(std::move(actions_.front()));
        actions_.erase(actions_.begin());
        return action;
    }
    template <class M>
    M sent(Slice* body = nullptr) {
        auto action = take<SendBroker>();
        REQUIRE_MESSAGE(std::holds_alternative<M>(action.message), "it is a ",
                        wire::name_of(action.message));
        if (body != nullptr) *body = action.body;
        return std::get<M>(action.message);
    }
    bool quiet() const { return actions_.empty(); }

    void welcome(std::uint64_t life = 1) {
        broker(wire::Welcome{.epoch = {life, life},
                             .blocks = {},
                             .gatherers = {},
                             .heartbeat = 500ms,
                             .timeout = 5s});
    }
    void connect() {
        tick();
        sent<wire::Hello>();
        welcome();
        sent<wire::Heartbeat>();
    }
    void dispatch(const JobId& job, Index first, std::uint32_t count, std::uint32_t attempt = 1,
                  std::string function = "square") {
        wire::JobSpec spec{.function = std::move(function), .timeout = timeout, .owner = {}};
        wire::JobBrief brief{.spec = spec, .assignment = 1, .gatherer = first_gatherer};
        broker(wire::Dispatch{.sequence = ++sequence,
                              .job = job,
                              .first = first,
                              .count = count,
                              .attempt = attempt,
                              .brief = brief},
               numbers(first, count));
    }
    void values(std::uint64_t task, Index first, std::uint32_t count) {
        step(Values{.task = task,
                    .first = first,
                    .count = count,
                    .body = numbers(first, count),
                    .started = {},
                    .elapsed = 10us});
    }
    void failed(std::uint64_t task, Index index, std::string message, Slice output = {}) {
        step(Failed{.task = task,
                    .failure = {.index = index, .message = std::move(message), .worker = {}},
                    .output = std::move(output)});
    }
    void finished(std::uint64_t task) { step(Finished{task}); }
    bool noted(const std::string& what) const {
        return std::any_of(notes.begin(), notes.end(),
                           [&](const Note& note) { return note.what == what; });
    }
    const Core& core() const { return core_; }

    Time now{1000s};
    std::uint64_t sequence = 0;
    wire::Milliseconds timeout{0};
    std::vector<Note> notes;

private:
    std::string names() const {
        std::string text;
        for (const Action& action : actions_) {
            const auto* send = std::get_if<SendBroker>(&action);
            text += send != nullptr ? wire::name_of(send->message)
                                    : "action " + std::to_string(action.index());
            text += ' ';
        }
        return text;
    }

    Core core_;
    std::vector<Action> actions_;
    bool left_ = false;
};

using Ranges = std::vector<Range>;

}  // namespace fanfold::worker::testing
