// A stage for the scatterer's core: the test plays the user, the broker and the gatherers. Notes
// are not recorded.
#pragma once

#include <doctest/doctest.h>

#include <deque>
#include <string>
#include <vector>

#include "scatterer/core/core.hpp"
#include "tests/support/recorder.hpp"

namespace fanfold::scatterer::testing {

using namespace std::chrono_literals;

inline const JobId job = make_job_id(1700000000000ms, 1, 2);
inline const JobId other_job = make_job_id(1700000000000ms, 3, 4);

inline wire::GathererRef gatherer(const std::string& name) {
    return {.name = name,
            .epoch = {0, 7},
            .results = {"tcp://127.0.0.1:1"},
            .collect = {"tcp://127.0.0.1:2"}};
}

inline wire::Welcome welcome(std::uint64_t incarnation = 1) {
    wire::Welcome message;
    message.minor = wire::minor_of_marks - 1;  // what is not answered is sent again by time
    message.epoch = {0, incarnation};
    message.blocks = {"tcp://127.0.0.1:3"};
    message.gatherers = {gatherer("G1")};
    message.heartbeat = 500ms;
    message.timeout = 5s;
    message.payload_bytes = 1000;
    message.block_bytes = 1000;
    message.job_credit = 100;
    return message;
}

/// `count` fragments of one byte each.
inline PackedBlock block(Index first, std::uint32_t count) {
    return {.first = first,
            .count = count,
            .cuts = {},
            .body = Slice::take(std::string(count, '\xc0'))};
}

inline wire::JobSpec spec(bool attached = true) {
    wire::JobSpec made;
    made.function = "f";
    made.attached = attached;
    return made;
}

struct Stage : fanfold::testing::Recorder<Action, fanfold::testing::Order::overall> {
    Core core;
    Time now{1000s};

    explicit Stage(Duration give_up = 5s)
        : core({.broker = "tcp://127.0.0.1:9",
                .name = "me",
                .epoch = {0, 5},
                .connect_timeout = 5s,
                .give_up = give_up}) {
        ignore<wire::Heartbeat>();
    }

    void step(Event event) {
        std::vector<Action> made;
        core.step(now, std::move(event), made);
        core.check_invariants();
        for (auto& action : made)
            if (!std::holds_alternative<Note>(action)) record(std::move(action));
    }
    void say(wire::Message message) { step(FromBroker{std::move(message)}); }
    void say(const std::string& name, wire::Message message, std::string body = {}) {
        step(
            FromGatherer{key_of(gatherer(name)), std::move(message), Slice::take(std::move(body))});
    }
    /// Time goes on in small steps; the broker stays alive unless told otherwise.
    void pass(Duration duration, bool broker_lives = true) {
        for (Time end = now + duration; now < end;) {
            now += 100ms;
            if (broker_lives) say(wire::Heartbeat{});
            step(Tick{});
        }
    }

    wire::Block pushed() { return expect<PushBlock>().message; }

    void connect() {
        step(ControlOpened{{"c-one"}});
        expect<wire::Hello>();
        say(welcome());
        expect<Connected>();
    }
    void open(CollectHow how = {}, const JobId& id = job) { step(OpenJob{id, 77, spec(), how}); }
    /// A job of one block with ten fragments, sealed, known and collected.
    void open_ten(CollectHow how = {}) {
        open(how);
        step(AppendBlock{job, block(0, 10), 10});
        pushed();
        expect<wire::Collect>("G1");
        accept(10);
        say(wire::Sealed{job, 10});
        expect<JobSealed>();
        locate("G1", 1);
        expect<JobLocated>();
    }
    void accept(Index next, std::uint64_t limit = 100) { say(wire::Accepted{job, next, limit}); }
    void locate(const std::string& name, std::uint32_t assignment) {
        say(wire::Located{job, assignment, gatherer(name)});
    }
    void values(const std::string& name, std::uint64_t position, Range range) {
        wire::Values message{.job = job,
                             .position = position,
                             .first = range.begin,
                             .count = static_cast<std::uint32_t>(range.size()),
                             .meta = {}};
        say(name, message, std::string(range.size(), '\xc0'));
    }
    void concluded(const std::string& name, std::uint64_t count,
                   wire::Outcome outcome = wire::Outcome::complete) {
        wire::Concluded message{.job = job, .outcome = outcome};
        message.total = 10;
        message.values = count;
        say(name, message);
    }
    void expect_delivery(Range range, std::uint64_t position) {
        auto delivery = expect<Deliver>();
        CHECK(Range{delivery.first, delivery.first + delivery.count} == range);
        CHECK(delivery.body.size() == range.size());
        CHECK(delivery.receipt.position == position);
        last_receipt = delivery.receipt;
    }
    Receipt last_receipt;
};

inline wire::Failure failure(Index index, std::uint64_t output_bytes = 0) {
    wire::Failure made;
    made.index = index;
    made.message = "no";
    made.output_bytes = output_bytes;
    return made;
}

}  // namespace fanfold::scatterer::testing
