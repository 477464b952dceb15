// Jobs that go from a gatherer that is drained to another one.
#include <doctest/doctest.h>

#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
struct Draining : Durable {
    Draining() {
        peers_minor = wire::version_minor;
        fleet();
        join("h", "H");
        ignore<wire::Gathered>();
        for (const char* peer : {"g", "h"}) say(peer, wire::Holds{.last = true});
    }
    void join(const char* peer, const char* name, Epoch epoch = {1, 1}) {
        say(peer, wire::Hello{.role = wire::Role::gatherer,
                              .name = name,
                              .epoch = epoch,
                              .gatherer = {.name = name, .epoch = epoch}});
    }
    /// A job of 4 fragments, of which the first two are safe at g.
    JobId open(std::uint64_t n = 1) {
        wire::Block first{.job = job_number(n), .token = 1, .count = 4, .stride = 4};
        first.spec = spec();
        first.spec->preferred_gatherer = "G";
        first.total = 4;
        block(first, Slice::take(std::string(4, '\x07')));
        done("w", first.job, {0, 2});
        say("g", wire::Gathered{.job = first.job, .ranges = {{0, 2}}});
        return first.job;
    }
    void drain(const char* peer, bool off = false) { say(peer, wire::Heartbeat{.leaving = !off}); }
    /// Time passes until g is to hand a job over.
    wire::HandOver ordered() {
        wire::HandOver order;
        on_send = [&](const Send& send) {
            if (auto* hand = std::get_if<wire::HandOver>(&send.message))
                order = *hand, order_to = send.to.bytes;
        };
        for (int i = 0; i < 4 && order.number == 0; ++i) beat();
        on_send = {};
        skip<wire::HandOver>();
        return order;
    }
    void beat() {
        pass(500ms);
        say("w", wire::Heartbeat{});
        say("g", wire::Heartbeat{.leaving = true});
        say("h", wire::Heartbeat{});
        say("c", wire::Heartbeat{});
    }
    void hand(const wire::HandOver& order) {
        say("g", wire::HandedRow{.job = order.job, .handing = order.number, .number = 1});
        CHECK(expect<wire::HandedRow>("h").number == 1);
        say("h", wire::RowTaken{.job = order.job, .handing = order.number, .number = 1});
        CHECK(expect<wire::RowTaken>("g").number == 1);
        say("g",
            wire::HandedRow{.job = order.job, .handing = order.number, .number = 2, .last = true});
        CHECK(expect<wire::HandedRow>("h").last);
    }
    void taken(const wire::HandOver& order, std::string refused = {}) {
        say("h", wire::RowTaken{.job = order.job,
                                .handing = order.number,
                                .number = 2,
                                .refused = std::move(refused)});
    }
    const Assignment& assignment(const JobId& id) { return *job(id).assignment; }
    std::string order_to;
};
}  // namespace

TEST_CASE("a running job is assigned to the other gatherer once that has all of it") {
    Draining stage;
    const JobId job = stage.open();
    CHECK(stage.assignment(job).known.name == "G");
    stage.drain("g");
    const wire::HandOver order = stage.ordered();
    CHECK(order.job == job);
    CHECK(stage.order_to == "g");
    stage.hand(order);
    CHECK(stage.assignment(job).known.name == "G");
    wire::Assign assigned;
    wire::SendAgain again;
    wire::Located located;
    bool forgotten = false;
    stage.on_send = [&](const Send& send) {
        if (auto* m = std::get_if<wire::Assign>(&send.message)) assigned = *m;
        if (auto* m = std::get_if<wire::SendAgain>(&send.message)) again = *m;
        if (auto* m = std::get_if<wire::Located>(&send.message)) located = *m;
        forgotten = forgotten ||
                    (std::holds_alternative<wire::Forget>(send.message) && send.to.bytes == "g");
    };
    stage.taken(order);
    stage.on_send = {};
    CHECK(stage.assignment(job).known.name == "H");
    CHECK(assigned.assignment == 2);
    CHECK(again.gatherer.name == "H");
    CHECK(located.gatherer.name == "H");
    CHECK(forgotten);
    SUBCASE("it is the other's after a restart, too") {
        stage.restart();
        CHECK(stage.assignment(job).known.name == "H");
        CHECK(stage.assignment(job).number == 2);
    }
    SUBCASE("the first one, that comes back with it, is to forget it") {
        stage.say("g", wire::Holds{.jobs = {{.job = job, .assignment = 1}}, .last = true});
        CHECK(stage.expect<wire::Forget>("g").job == job);
    }
}

TEST_CASE("new jobs go to other gatherers, while there are any") {
    Draining stage;
    stage.drain("g");
    CHECK(stage.assignment(stage.open(1)).known.name == "H");
    stage.drain("h");
    CHECK(stage.assignment(stage.open(2)).known.name == "G");
    stage.drain("g", true);
    CHECK(stage.assignment(stage.open(3)).known.name == "G");
}

TEST_CASE("a job of a gatherer with a store does not go to one without") {
    Draining stage;
    for (const char* peer : {"g", "h"}) stage.step(Unroutable{{peer}});
    stage.join("g", "G", {1, 2});
    stage.join("h", "H", {0, 2});
    for (const char* peer : {"g", "h"}) stage.say(peer, wire::Holds{.last = true});
    const JobId job = stage.open();
    stage.drain("g");
    CHECK(stage.ordered().number == 0);
    CHECK(stage.assignment(job).known.name == "G");
}

TEST_CASE("a job stays where it is, and goes on") {
    Draining stage;
    const JobId job = stage.open();
    stage.drain("g");
    const wire::HandOver order = stage.ordered();
    stage.hand(order);
    auto stopped = [&](const char* peer) {
        auto stop = stage.expect<wire::HandOver>(peer);
        CHECK(stop.stop);
        CHECK(stop.number == order.number);
    };
    SUBCASE("when the other one can't take it; it is tried again later") {
        stage.taken(order, "its rows are of form 9");
        CHECK(stage.assignment(job).compared);
        stopped("g");
        stopped("h");
        CHECK(stage.ordered().number == 0);
        for (int i = 0; i < 55; ++i) stage.beat();
        CHECK(stage.ordered().number > order.number);
        CHECK(stage.assignment(job).known.name == "G");
    }
    SUBCASE("when more of it is on its way than may be") {
        const Slice large = Slice::take(std::string(5 << 20, 'x'));
        for (const std::uint64_t number : {std::uint64_t{3}, std::uint64_t{4}}) {
            stage.say("g", wire::HandedRow{.job = job, .handing = order.number, .number = number},
                      large);
            stage.expect<wire::HandedRow>("h");
        }
        stage.say("g", wire::HandedRow{.job = job, .handing = order.number, .number = 5}, large);
        stopped("g");
        stopped("h");
    }
    SUBCASE("when the other one can store nothing any more") {
        stage.say("h", wire::Heartbeat{.trouble = "the disk is full"});
        stage.pass(500ms);
        stopped("g");
        stopped("h");
    }
    SUBCASE("when the other one goes") {
        stage.step(Unroutable{{"h"}});
        stopped("g");
        CHECK(stage.assignment(job).compared);
    }
    SUBCASE("when it ends meanwhile") {
        stage.say("c", wire::Cancel{.job = job});
        stage.taken(order);
        stopped("g");
        stopped("h");
        CHECK(stage.assignment(job).known.name == "G");
    }
    SUBCASE("when the broker begins anew; a copy that is whole is forgotten") {
        stage.restart();
        for (const char* peer : {"g", "h"}) stage.join(peer, peer == std::string("g") ? "G" : "H");
        const wire::HeldJob held{.job = job, .assignment = stage.assignment(job).number};
        stage.say("h", wire::Holds{.jobs = {held}, .last = true});
        bool forgotten = false;
        stage.on_send = [&](const Send& send) {
            forgotten = forgotten || (std::holds_alternative<wire::Forget>(send.message) &&
                                      send.to.bytes == "h");
        };
        CHECK(stage.assignment(job).known.name == "G");
        stage.say("g", wire::Holds{.jobs = {held}, .last = true});
        CHECK(forgotten);
        CHECK(stage.assignment(job).known.name == "G");
    }
}

TEST_CASE("a broker put back to an older state finds the job where it went") {
    Draining stage;
    const JobId job = stage.open();
    const wire::HeldJob held{.job = job, .assignment = 3, .values = 2};
    SUBCASE("as its gatherer has it no more") {
        stage.say("h", wire::Holds{.jobs = {held}, .last = true});
        CHECK(stage.assignment(job).known.name == "G");
        stage.step(Unroutable{{"g"}});
        stage.join("g", "G", {1, 2});
        stage.say("h", wire::Holds{.jobs = {held}, .last = true});
        stage.say("g", wire::Holds{.last = true});
    }
    SUBCASE("as its gatherer is not here") {
        stage.step(Unroutable{{"g"}});
        stage.say("h", wire::Holds{.jobs = {held}, .last = true});
    }
    CHECK(stage.assignment(job).known.name == "H");
    CHECK(stage.assignment(job).number == 3);
}

TEST_CASE("a higher number takes no job from a gatherer that is here and has it") {
    Draining stage;
    const JobId job = stage.open();
    stage.say("h", wire::Holds{.jobs = {{.job = job, .assignment = 1000}}, .last = true});
    stage.say("g", wire::Holds{.jobs = {{.job = job, .assignment = 1}}, .last = true});
    CHECK(stage.assignment(job).known.name == "G");
    CHECK(stage.assignment(job).number == 1);
}

TEST_CASE("draining is asked for by name") {
    Draining stage;
    stage.say("c", wire::Drain{.number = 5, .gatherer = "G"});
    CHECK(stage.expect<wire::Drain>("g").gatherer == "G");
    auto answer = stage.expect<wire::Drained>("c");
    CHECK(answer.number == 5);
    CHECK(answer.refused == "");
    stage.say("c", wire::Drain{.number = 6, .gatherer = "K"});
    CHECK(stage.expect<wire::Drained>("c").refused.find("there is no gatherer 'K'") == 0);
}

TEST_CASE("the report tells what each gatherer has, and why its jobs stay") {
    Draining stage;
    stage.open();
    stage.drain("g");
    stage.drain("h");
    stage.say("c", wire::Query{.number = 1, .topic = wire::Topic::gatherers});
    auto report = stage.expect<wire::Report>("c");
    REQUIRE(report.states.size() == 2);
    CHECK(report.states[0].name == "G");
    CHECK(report.states[0].running == 1);
    CHECK(report.states[0].draining);
    CHECK(report.states[0].trouble == "no other gatherer is here that could take its jobs");
}
