// A stage for the gatherer's core: the test plays broker, workers and collectors. Every action has
// to be looked at, but for heartbeats and notes below a warning, before the next step.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "gatherer/core/assembly.hpp"
#include "gatherer/core/core.hpp"
#include "shared/wire/codec.hpp"
#include "tests/support/recorder.hpp"

namespace doctest {
template <>
struct StringMaker<fanfold::Range> {
    static String convert(fanfold::Range range) { return fanfold::to_string({range}).c_str(); }
};
}  // namespace doctest

namespace fanfold::gatherer {

using namespace std::chrono_literals;
using wire::GatherPolicy;
using wire::Outcome;

using fanfold::testing::job_number;

/// The value of a fragment, and of a run of them.
inline std::string value(Index index) { return wire::pack_text("v" + std::to_string(index)); }
inline std::string values(Range range) {
    std::string body;
    for (Index i = range.begin; i < range.end; ++i) body += value(i);
    return body;
}

struct SpecBuilder {
    wire::JobSpec spec;
    SpecBuilder& policy(GatherPolicy policy, std::uint64_t quorum = 0) {
        spec.policy = policy;
        spec.quorum = quorum;
        return *this;
    }
    SpecBuilder& tolerate(std::uint64_t failures) {
        spec.tolerance = true;
        spec.max_failures = failures;
        return *this;
    }
    SpecBuilder& tolerate_percent(double share) {
        spec.tolerance = true;
        spec.max_failures_percent = share;
        return *this;
    }
    SpecBuilder& deadline(wire::Milliseconds remaining) {
        spec.deadline = remaining;
        return *this;
    }
    SpecBuilder& attached() {
        spec.attached = true;
        return *this;
    }
};

inline constexpr auto ordered = wire::Collect{.ordered = true};
inline constexpr auto completed = wire::Collect{};

/// The outcomes of what failed, each with its fragments.
inline std::string reasons(const wire::Concluded& concluded) {
    std::string text;
    for (const auto& missing : concluded.missing)
        text += missing.reason + " " + to_string(missing.ranges) + "; ";
    return text;
}

struct Stage : fanfold::testing::Recorder<Action, fanfold::testing::Order::of_each_peer> {
    static Options options_with(std::uint64_t memory_bytes) {
        Options options;
        options.self.name = "g1";
        options.self.results = {"inproc://results"};
        options.self.collect = {"inproc://collect"};
        options.memory_bytes = memory_bytes;
        return options;
    }
    /// With a store that commits at once, and fetches when answer() says so.
    static Options durable_with(std::uint64_t memory_bytes) {
        Options options = options_with(memory_bytes);
        options.durable = true;
        options.state = "/state";
        return options;
    }

    explicit Stage(std::uint64_t memory_bytes = std::uint64_t{1} << 30)
        : Stage(options_with(memory_bytes)) {}
    explicit Stage(Options options) : core(std::move(options)) {
        tick();
        CHECK(expect<wire::Hello>().gatherer.name == "g1");
        welcome(1);
    }

    // --- what happens to the core ---
    void step(Event event) {
        nothing_left();
        std::vector<Action> actions;
        core.step(now, std::move(event), actions);
        core.check_invariants();
        bool persisted = false;
        for (auto& action : actions) {
            if (auto* persist = std::get_if<Persist>(&action)) {
                persisted = true;
                if (persist->change == Record::Change::put)
                    rows[{persist->job, persist->kind, persist->number}] = *persist;
                else if (persist->change == Record::Change::erase)
                    rows.erase({persist->job, persist->kind, persist->number});
                else
                    std::erase_if(rows, [&](const auto& row) {
                        return std::get<JobId>(row.first) == persist->job;
                    });
            } else if (auto* fetch = std::get_if<Fetch>(&action)) {
                fetches.push_back(*fetch);
            } else if (!is_noise(action)) {
                record(std::move(action));
            }
        }
        if (persisted && commits) committed();
    }
    /// All that was to be kept is on disk.
    void committed() {
        std::vector<Action> nothing;
        core.step(now, Committed{.waiting_bytes = 0}, nothing);
        core.check_invariants();
        for (auto& action : nothing)
            if (!is_noise(action)) record(std::move(action));
    }
    /// Answers one of the fetches that were asked for.
    void answer(std::size_t which = 0) {
        REQUIRE(which < fetches.size());
        Fetch fetch = fetches[which];
        fetches.erase(fetches.begin() + static_cast<std::ptrdiff_t>(which));
        auto row = rows.find({fetch.job, fetch.kind, fetch.number});
        if (row != rows.end()) return step(Fetched{.record = row->second});
        step(Fetched{.record = {.job = fetch.job, .kind = fetch.kind, .number = fetch.number},
                     .sound = false});
    }
    void tick() { step(Tick{}); }
    void say(wire::Message message, std::string body = {}) {
        step(FromBroker{std::move(message), Slice::take(std::move(body))});
    }
    void welcome(std::uint64_t incarnation) {
        wire::Welcome welcome;
        welcome.epoch = {.number = 0, .incarnation = incarnation};
        welcome.heartbeat = wire::Milliseconds{500};
        welcome.timeout = wire::Milliseconds{5000};
        welcome.minor = broker_minor;
        say(welcome);
        if (broker_minor >= wire::minor_of_holds) CHECK(expect<wire::Holds>().last);
    }
    void assign(std::optional<std::uint64_t> total, const wire::JobSpec& spec = {},
                std::uint32_t assignment = 1) {
        say(wire::Assign{.job = job, .assignment = assignment, .spec = spec, .total = total});
    }
    void results(Range range) {
        raw_results(range.begin, static_cast<std::uint32_t>(range.size()), values(range));
    }
    void raw_results(Index first, std::uint32_t count, std::string body) {
        step(Pulled{
            wire::Results{.job = job, .first = first, .count = count, .meta = {.worker = "w1"}},
            Slice::take(std::move(body))});
    }
    void failure(Index index, wire::FailureKind kind = wire::FailureKind::failed) {
        say(wire::Errors{
            .job = job,
            .failures = {{.index = index, .kind = kind, .message = "no", .worker = "w1"}}});
    }
    void ended(Outcome outcome, std::string reason = {}, std::vector<wire::Missing> missing = {}) {
        say(wire::Ended{.job = job,
                        .assignment = 1,
                        .outcome = outcome,
                        .reason = std::move(reason),
                        .total = {},
                        .missing = std::move(missing)});
    }
    void collect(const std::string& peer, wire::Collect collect) {
        collect.job = job;
        if (collect.credit == 0) collect.credit = 1 << 20;
        step(Received{.from = {peer}, .message = collect, .body = {}});
    }
    void acknowledge(const std::string& peer, std::uint64_t position) {
        step(Received{.from = {peer},
                      .message = wire::Acknowledge{.job = job, .position = position},
                      .body = {}});
    }
    /// Time passes in small steps, the broker beating, until the core does something.
    void later(Duration duration) {
        for (Time end = now + duration; now < end && silent();) {
            now = std::min(end, now + Duration{100ms});
            if (!quiet_broker) step(FromBroker{wire::Heartbeat{}, {}});
            if (silent()) tick();
        }
    }

    // --- what the core did ---
    /// A run of values whose bytes are the right ones.
    Range values_to(const std::string& peer) {
        Slice body;
        auto message = expect<wire::Values>(peer, &body);
        Range range{message.first, message.first + message.count};
        CHECK(body.view() == values(range));
        return range;
    }
    std::vector<Range> gathered() { return expect<wire::Gathered>().ranges; }
    Note warned() { return expect<Note>(); }
    void reconnected() { expect<Reconnect>(); }

    std::uint16_t broker_minor = wire::version_minor;
    Core core;
    Time now{1h};
    JobId job = job_number(1);
    bool quiet_broker = false;
    std::map<std::tuple<JobId, std::uint8_t, std::uint64_t>, Record> rows;
    std::vector<Fetch> fetches;
    bool commits = true;

private:
    static bool is_noise(const Action& action) {
        if (auto* note = std::get_if<Note>(&action)) return note->level < Level::warn;
        auto* send = std::get_if<SendBroker>(&action);
        return send && std::holds_alternative<wire::Heartbeat>(send->message);
    }
};

}  // namespace fanfold::gatherer
