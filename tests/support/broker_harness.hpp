// A stage for the broker's core: the test plays all of its peers, and whatever the broker sends
// must be looked at.
#pragma once

#include <doctest/doctest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/core/core.hpp"
#include "shared/wire/codec.hpp"
#include "tests/support/recorder.hpp"

namespace fanfold::broker {

using namespace std::chrono_literals;

using fanfold::testing::job_number;

/// A broker's core and its peers, all played by the test. Heartbeats are not recorded.
struct Stage
    : fanfold::testing::Recorder<std::variant<Send>, fanfold::testing::Order::of_each_peer> {
    std::unique_ptr<Core> core = std::make_unique<Core>(
        Options{.epoch = {.number = 0, .incarnation = 77}, .blocks = {"inproc://blocks"}});
    Time now{1h};
    std::uint16_t peers_minor = wire::minor_of_marks - 1;  // they say nothing of what has come
    std::map<PeerId, Sender> senders;  // of those who have one that is not the nameless
    std::vector<Note> notes;           // of the last step
    std::function<void(const Record&)> on_persist;
    std::function<void(const Fetch&)> on_fetch;
    std::function<void(const Send&)> on_send;
    std::function<void()> after_step;

    void step(Event event) {
        std::vector<Action> actions;
        core->step(now, std::move(event), actions);
        notes.clear();
        for (auto& action : actions) {
            if (auto* note = std::get_if<Note>(&action)) notes.push_back(*note);
            if (auto* persist = std::get_if<Persist>(&action); persist && on_persist)
                on_persist(persist->record);
            if (auto* fetch = std::get_if<Fetch>(&action); fetch && on_fetch) on_fetch(*fetch);
            if (auto* send = std::get_if<Send>(&action); send && on_send) on_send(*send);
            if (auto* send = std::get_if<Send>(&action))
                if (!std::holds_alternative<wire::Heartbeat>(send->message)) record(*send);
        }
        core->check_invariants();
        if (after_step) after_step();
    }
    void say(const char* peer, wire::Message message, Slice body = {}) {
        auto sender = senders.find({peer});
        step(Received{{peer},
                      std::move(message),
                      std::move(body),
                      sender == senders.end() ? Sender{} : sender->second});
    }
    void block(wire::Block block, Slice body = {}, Sender sender = {}) {
        step(Pulled{std::move(block), std::move(body), std::move(sender)});
    }
    void pass(Duration time) {
        for (Duration step_time = std::min<Duration>(time, 100ms); time > Duration(0);
             time -= step_time) {
            now += step_time;
            step(Tick{});
        }
    }

    void worker(const char* name, std::uint32_t slots = 1, std::uint64_t incarnation = 1,
                const char* stable = nullptr) {
        say(name, wire::Hello{.minor = peers_minor,
                              .role = wire::Role::worker,
                              .name = stable ? stable : name,
                              .epoch = {0, incarnation},
                              .slots = slots,
                              .functions = {"f"}});
        expect<wire::Welcome>(name);
    }
    void gatherer(const char* name, std::uint64_t incarnation = 1) {
        say(name, wire::Hello{.minor = peers_minor,
                              .role = wire::Role::gatherer,
                              .name = "G",
                              .epoch = {0, incarnation},
                              .gatherer = {.name = "G", .epoch = {0, incarnation}}});
        expect<wire::Welcome>(name);
        if (peers_minor >= wire::minor_of_holds) say(name, wire::Holds{.last = true});
    }
    void client(const char* name, std::uint64_t incarnation = 5) {
        say(name, wire::Hello{.role = wire::Role::client, .name = "C", .epoch = {0, incarnation}});
        CHECK(expect<wire::Welcome>(name).blocks.size() == 1);
    }
    static wire::JobSpec spec() {
        return {.function = "f", .lease = 1s, .owner = {"c"}, .preferred_gatherer = "G"};
    }

    /// Opens job n with `count` one-byte payloads and its seal, all in one block.
    JobId open(std::uint64_t n, std::uint32_t count, wire::JobSpec spec = Stage::spec()) {
        wire::Block first{
            .job = job_number(n), .token = 1, .first = 0, .count = count, .stride = 1};
        for (std::uint32_t i = 1; i < count; ++i) first.cuts += {static_cast<char>(i), 0, 0, 0};
        first.spec = std::move(spec);
        first.total = count;
        block(std::move(first), Slice::take(std::string(count, '\x07')));
        return job_number(n);
    }
    void opened_by(const char* client_name) {
        expect<wire::Accepted>(client_name);
        expect<wire::Sealed>(client_name);
    }
    void assigned(const char* gatherer_name) {
        CHECK(expect_all<wire::Assign>(gatherer_name).size() >= 1);
    }
    void done(const char* name, JobId job, Range range, Duration busy = 1ms) {
        say(name, wire::Done{.runs = {{job, range, std::chrono::floor<wire::Microseconds>(busy)}}});
    }
    void failed(const char* name, JobId job, Index index, std::uint32_t attempt = 1,
                wire::FailureKind kind = wire::FailureKind::failed) {
        say(name,
            wire::Done{
                .failures = {
                    {job, {{.index = index, .attempt = attempt, .kind = kind, .message = "no"}}}}});
    }
};

/// A client c, a gatherer g and a worker w with one slot.
struct Fleet : Stage {
    Fleet() {
        client("c");
        gatherer("g");
        worker("w");
    }
};

}  // namespace fanfold::broker
