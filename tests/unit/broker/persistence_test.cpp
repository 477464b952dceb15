#include <doctest/doctest.h>

#include <random>

#include "shared/wire/fields.hpp"
#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE(
    "what was accepted is there after a restart, and is dispatched when the worker timeout is "
    "over") {
    Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 5);
    stage.restart();
    CHECK(stage.job(job).total() == 5);
    CHECK(stage.job(job).books.queue().size() == 5);
    stage.fleet();
    CHECK(stage.expect<wire::Accepted>("c").next == 5);
    CHECK(stage.expect<wire::Sealed>("c").total == 5);
    stage.live(4s);
    CHECK(stage.expect_all<wire::Dispatch>("w").empty());  // somebody may hold it
    stage.live(2s);
    Slice body;
    CHECK(stage.expect<wire::Dispatch>("w", &body).first == 0);
    CHECK(body.view() == "\x07");
}

TEST_CASE("what a worker holds or keeps is adopted, not run again") {
    Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 3);
    stage.done("w", job, {0, 1}, 1s);
    stage.restart();
    stage.fleet();
    wire::Heartbeat inventory{.handled = 0, .held = {{job, {{1, 2}}}}, .kept = {{job, {{0, 1}}}}};
    stage.say("w", inventory);
    CHECK(stage.job(job).books.loans().first().size() == 1);
    CHECK(stage.job(job).books.kept().size() + stage.job(job).books.settled().safe().size() == 1);
    stage.live(4s, inventory);
    stage.worker("v", 1, 2);
    stage.live(2s, inventory);
    CHECK(stage.expect<wire::Dispatch>("v").first == 2);
    CHECK(stage.expect_all<wire::Dispatch>("w").empty());
}

TEST_CASE("what is safe stays safe, its blocks are gone, final errors are told again") {
    Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 2);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    stage.done("w", job, {0, 1}, 1s);
    stage.failed("w", job, 1);
    stage.pass(5ms);
    stage.restart();
    CHECK(stage.job(job).books.settled().safe().size() == 1);
    CHECK(stage.job(job).books.settled().failed().size() == 1);
    CHECK(stage.job(job).books.queue().size() == 0);
    stage.gatherer("g", 1);
    CHECK(stage.expect<wire::Assign>("g").total == 2);
    CHECK(stage.expect<wire::Errors>("g").failures.at(0).index == 1);
    CHECK(stage.rows(rows::Kind::block) == 1);  // a retry would need it
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 2}}});
    stage.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::partial});
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::partial);
    stage.restart();
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::partial);
    CHECK(stage.core->jobs().at(job).life->end.total == 2);
}

TEST_CASE("retries that were used before a restart stay used") {
    Durable stage;
    stage.fleet();
    auto spec = Stage::spec();
    spec.retries = 1;
    JobId job = stage.open(1, 1, spec);
    stage.failed("w", job, 0);
    stage.restart();
    stage.fleet();
    stage.live(6s);
    CHECK(stage.expect<wire::Dispatch>("w").attempt == 2);
    stage.failed("w", job, 0, 2);
    CHECK(stage.job(job).books.settled().failed().size() == 1);
    CHECK(stage.rows(rows::Kind::error) == 1);
}

TEST_CASE("lone crashes are counted across restarts") {
    Durable stage;
    stage.client("c");
    stage.gatherer("g");
    JobId job = stage.open(1, 1);
    for (std::uint64_t death = 1; death <= 4;
         ++death) {  // in the first it is not yet alone by intent
        CHECK(stage.job(job).books.settled().failed().size() == 0);
        std::string name = "w" + std::to_string(death);
        stage.worker(name.c_str(), 1, death, "w");
        stage.step(Unroutable{{name}});
        if (death == 1) continue;
        stage.worker("next", 1, 100 + death, "w");  // so that it is known
        stage.say("next", wire::Bye{});
        stage.restart();
        stage.client("c");
        stage.gatherer("g");
        stage.live(6s);
    }
    CHECK(stage.job(job).books.settled().failed().size() == 1);
}

TEST_CASE("deadlines and ages go on across a restart") {
    Durable stage;
    stage.fleet();
    auto spec = Stage::spec();
    spec.deadline = 10s;
    JobId job = stage.open(1, 1, spec);
    stage.pass(4s);
    // The clock of the machine goes on while the broker is down.
    stage.core = std::make_unique<Core>(Options{.epoch = {2, 2},
                                                .blocks = {},
                                                .durable = true,
                                                .started = stage.now,
                                                .started_since_1970 = 1'000'004s});
    for (const auto& [key, record] : stage.disk) stage.core->restore(record);
    stage.core->restored();
    stage.skip();
    stage.gatherer("g");
    auto left = stage.expect<wire::Assign>("g").spec.deadline;
    CHECK(left > wire::Milliseconds(5000));
    CHECK(left <= wire::Milliseconds(6000));
    CHECK(stage.job(job).running());
}

TEST_CASE("a client that kept its tongue and came back goes on from what was accepted") {
    Durable stage;
    stage.fleet();
    wire::Block first{.job = job_number(1), .token = 1, .first = 0, .count = 2, .stride = 16};
    first.spec = Stage::spec();
    first.spec->attached = true;
    stage.block(first, Slice::copy("\x01\x02"));
    stage.restart();
    stage.client("c2", 5);  // the same life of the client
    CHECK(stage.expect<wire::Accepted>("c2").next == 2);
    wire::Block second{.job = job_number(1), .token = 1, .first = 2, .count = 1, .stride = 16};
    second.total = 3;
    stage.block(second, Slice::copy("\x03"));
    CHECK(stage.expect<wire::Accepted>("c2").next == 3);
    CHECK(stage.expect<wire::Sealed>("c2").total == 3);
    stage.pass(4s);
    CHECK_FALSE(stage.job(job_number(1)).client->lease_until.has_value());
}

TEST_CASE("a gatherer that has a store is waited for, though not for ever") {
    Durable stage;
    stage.client("c");
    stage.worker("w");
    wire::GathererRef self{.name = "G", .epoch = {1, 1}};
    stage.say(
        "g",
        wire::Hello{.role = wire::Role::gatherer, .name = "G", .epoch = {1, 1}, .gatherer = self});
    JobId job = stage.open(1, 2);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    stage.step(Unroutable{{"g"}});
    stage.pass(60s);
    CHECK(stage.job(job).running());
    SUBCASE("it comes back in another life") {
        self.epoch = {2, 2};
        stage.skip();
        stage.say(
            "g2",
            wire::Hello{
                .role = wire::Role::gatherer, .name = "G", .epoch = {2, 2}, .gatherer = self});
        stage.expect<wire::Welcome>("g2");
        CHECK(stage.expect<wire::Assign>("g2").assignment == 1);
        CHECK(stage.job(job).books.settled().safe().size() == 1);
    }
    SUBCASE("it stays away") {
        stage.pass(10min);
        CHECK(stage.job(job).life->end.outcome == wire::Outcome::failed);
    }
}

TEST_CASE(
    "while the store is in trouble nothing new is accepted, and what comes stays with its sender") {
    Durable stage;
    stage.fleet();
    wire::Block first{.job = job_number(1), .token = 1, .first = 0, .count = 1, .stride = 16};
    first.spec = Stage::spec();
    stage.step(StoreTrouble{"the disk is full"});
    stage.block(first, Slice::copy("\x01"));
    auto refused = stage.expect<wire::Refused>("c");
    CHECK(refused.code == wire::RefusalCode::overloaded);
    CHECK(refused.text.find("the disk is full") != std::string::npos);
    stage.step(StoreTrouble{""});
    stage.block(first, Slice::copy("\x01"));
    CHECK(stage.expect<wire::Dispatch>("w").first == 0);
}

TEST_CASE("killed at any moment, a broker finds every accepted fragment, each in one place") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        Durable stage;
        stage.fleet();
        JobId job = job_number(1);
        Index accepted = 0;
        RangeSet safe;
        std::set<Index> failed;
        for (int i = 0; i < 60; ++i) {
            Index index = accepted == 0 ? 0 : random() % accepted;
            switch (random() % 7) {
                case 0: {
                    wire::Block block{
                        .job = job, .token = 1, .first = accepted, .count = 3, .stride = 16};
                    if (accepted == 0) block.spec = Stage::spec();
                    stage.block(block, Slice::copy("\x01\x02\x03"));
                    accepted += 3;
                    break;
                }
                case 1:
                case 2:
                    if (accepted == 0 || failed.contains(index)) break;
                    safe.add({index, index + 1});
                    stage.say("g", wire::Gathered{.job = job, .ranges = {{index, index + 1}}});
                    break;
                case 3:
                    for (const auto& dispatch : stage.expect_all<wire::Dispatch>("w")) {
                        if (safe.contains(dispatch.first) || random() % 2) continue;
                        stage.failed("w", job, dispatch.first, dispatch.attempt);
                        if (stage.job(job).books.settled().failed().size() > failed.size())
                            failed.insert(dispatch.first);
                    }
                    break;
                case 4: stage.pass(300ms); break;
                case 5:
                    stage.restart();
                    stage.fleet();
                    // What the broker did not come to write, the gatherer tells again.
                    if (!safe.empty())
                        stage.say("g", wire::Gathered{.job = job, .ranges = safe.ranges()});
                    break;
                default: stage.skip("w"); break;
            }
            if (accepted == 0) continue;
            REQUIRE(stage.job(job).books.next() == accepted);
            REQUIRE(stage.job(job).books.settled().safe().size() == safe.size());
            REQUIRE(stage.job(job).books.settled().failed().size() == failed.size());
        }
    }
}

TEST_CASE("a row that makes no sense fails its own job by name, and no other") {
    Durable stage;
    stage.fleet();
    const JobId job = stage.open(1, 5), other = stage.open(2, 5);
    auto fails = [&](const Record& bad) {
        auto before = stage.disk;
        stage.disk[{bad.job, bad.kind, bad.number}] = bad;
        for (int start = 0; start < 2; ++start) {  // the second finds rows that are sound
            stage.restart();
            stage.step(Tick{});
            CHECK(stage.job(other).running());
        }
        const Job& known = stage.job(job);
        const std::string name =
            "row " + std::to_string(bad.kind) + "/" + std::to_string(bad.number);
        bool failed = known.life->end.outcome == wire::Outcome::failed &&
                      known.life->end.reason.find("damaged: " + name) != std::string::npos;
        if (!failed) CHECK(known.running());
        stage.disk = before;
        return failed;
    };
    auto row = [&](std::uint64_t number, const auto& content) {
        return Record{.job = job,
                      .kind = static_cast<std::uint8_t>(content.kind),
                      .number = number,
                      .data = wire::fields::encode_fields(content)};
    };
    Record unreadable = row(0, rows::Total{.fragments = 5});
    unreadable.data = "nothing that a broker writes";
    CHECK(fails(unreadable));
    Record first = stage.disk.lower_bound({job, 0, 0})->second;
    first.data = unreadable.data;
    CHECK(fails(first));
    CHECK(fails(row(0, rows::Error{.failure = {.index = ~Index{0}}})));
    CHECK(fails(row(~std::uint64_t{0}, rows::Tried{.attempts = 1})));
    CHECK(fails(row(0, rows::Share{.share = {.weight = 0}})));
    CHECK(fails(row(1, rows::Ended{})));
    CHECK(fails(row(0, rows::Forgotten{})));
    CHECK(fails(row(1, rows::Block{.count = 2, .stride = 0})));
    CHECK(fails({.job = job, .kind = 99}));
    CHECK_FALSE(fails(row(0, rows::Total{.fragments = 5})));
}

TEST_CASE("a job whose rows are missing fails, and others go on") {
    Durable stage;
    stage.fleet();
    const JobId job = stage.open(1, 5), other = stage.open(2, 5);
    stage.disk.erase({job, static_cast<std::uint8_t>(rows::Kind::block), 0});
    stage.restart();
    stage.step(Tick{});
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::failed);
    CHECK(stage.job(job).life->end.reason.find("rows of it are missing") != std::string::npos);
    CHECK(stage.job(job).life->end.lost);
    CHECK(stage.job(other).running());
}

TEST_CASE("a row that makes no sense takes nothing from a job that has ended") {
    Durable stage;
    stage.fleet();
    const JobId job = stage.open(1, 2);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    stage.failed("w", job, 1);
    stage.say("g", wire::Propose{.job = job,
                                 .assignment = 1,
                                 .outcome = wire::Outcome::partial,
                                 .reason = "one has failed"});
    const auto sound = stage.disk;
    REQUIRE(stage.job(job).life->end.outcome == wire::Outcome::partial);
    for (rows::Kind kind : {rows::Kind::block, rows::Kind::error, rows::Kind::share,
                            rows::Kind::round, rows::Kind{99}}) {
        Record bad{.job = job, .kind = static_cast<std::uint8_t>(kind), .number = 7};
        bad.data = "nothing that a broker writes";
        stage.disk[{bad.job, bad.kind, bad.number}] = bad;
        for (int start = 0; start < 2; ++start) {
            stage.restart();
            stage.step(Tick{});
            const wire::Ended& end = stage.job(job).life->end;
            CHECK(end.outcome == wire::Outcome::partial);
            CHECK(end.reason == "one has failed");
            CHECK(end.values == 1);
            CHECK(stage.disk.size() == sound.size() + 1);
        }
        stage.fleet();
        stage.say("c", wire::Retry{.job = job});
        CHECK(stage.expect<wire::Refused>("c").code == wire::RefusalCode::conflict);
        stage.disk = sound;
    }
    stage.restart();
    stage.fleet();
    stage.say("c", wire::Retry{.job = job});
    CHECK(stage.expect<wire::Retried>("c").fragments == 1);
}

TEST_CASE("a job that can't be read back does not take the key of one that can") {
    Durable stage;
    stage.fleet();
    const JobId damaged = stage.open(1, 5);
    wire::JobSpec spec = Stage::spec();
    spec.key = "a key";
    const JobId whole = stage.open(2, 5, spec);
    Record& first = stage.disk.lower_bound({damaged, 0, 0})->second;
    auto row = wire::fields::decode_fields<rows::Job>(first.data).value();
    row.spec.key = spec.key;
    first.data = wire::fields::encode_fields(row);
    stage.disk[{damaged, 99, 0}] = {.job = damaged, .kind = 99};
    stage.restart();
    stage.step(Tick{});
    CHECK(stage.job(damaged).life->end.outcome == wire::Outcome::failed);
    CHECK(stage.job(whole).running());
}
