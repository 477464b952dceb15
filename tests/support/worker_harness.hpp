// Steps a worker's core in a test: builders for what the broker and the executors say, and a record
// of what the core does that fails a test which leaves an action unlooked at.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tests/support/recorder.hpp"
#include "worker/core/core.hpp"

namespace fanfold::worker::testing {

using namespace std::chrono_literals;

inline const wire::GathererRef first_gatherer{
    .name = "g1", .epoch = {1, 1}, .results = {"inproc://g1"}, .collect = {}};
inline const wire::GathererRef second_gatherer{
    .name = "g2", .epoch = {1, 2}, .results = {"inproc://g2"}, .collect = {}};

using fanfold::testing::job_number;
inline const JobId job_one = job_number(1);
inline const JobId job_two = job_number(2);

/// Payloads or values: small integers back to back.
inline Slice numbers(Index first, std::uint64_t count) {
    std::string body;
    for (Index i = first; i < first + count; ++i) body += static_cast<char>(i & 0x7f);
    return Slice::take(std::move(body));
}

/// A worker's core; the test plays its broker and its executors. Notes are kept apart.
class Stage : public fanfold::testing::Recorder<Action, fanfold::testing::Order::overall> {
public:
    explicit Stage(std::uint32_t slots = 1, std::uint32_t spare_slots = 0)
        : core_({.name = "w1",
                 .epoch = {0, 7},
                 .slots = slots,
                 .spare_slots = spare_slots,
                 .functions = {"square", "cube"},
                 .idempotent = {"square"},
                 .labels = {"gpu"},
                 .resources = {{"mem", 5}}}) {}
    void step(Event event) {
        std::vector<Action> actions;
        core_.step(now, std::move(event), actions);
        core_.check_invariants();
        for (Action& action : actions) {
            if (!std::holds_alternative<Note>(action)) record(std::move(action));
            else notes.push_back(std::get<Note>(action));
        }
    }
    void tick(Duration later = 0ms) {
        now += later;
        step(Tick{});
    }
    void say(wire::Message message, Slice body = {}) {
        step(FromBroker{std::move(message), std::move(body)});
    }

    void welcome(std::uint64_t life = 1) {
        say(wire::Welcome{.epoch = {life, life},
                          .blocks = {},
                          .gatherers = {},
                          .heartbeat = 500ms,
                          .timeout = 5s});
    }
    void connect() {
        tick();
        expect<wire::Hello>();
        welcome();
        expect<wire::Heartbeat>();
    }
    void dispatch(const JobId& job, Index first, std::uint32_t count, std::uint32_t attempt = 1,
                  std::string function = "square") {
        wire::JobSpec spec{.function = std::move(function), .timeout = timeout, .owner = {}};
        wire::JobBrief brief{.spec = spec, .assignment = 1, .gatherer = first_gatherer};
        say(wire::Dispatch{.sequence = ++sequence,
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
    Core core_;
};

using Ranges = std::vector<Range>;

}  // namespace fanfold::worker::testing
