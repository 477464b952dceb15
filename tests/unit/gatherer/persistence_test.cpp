// What a gatherer keeps on disk, and how another life of it goes on.
#include <doctest/doctest.h>

#include <optional>

#include "shared/wire/fields.hpp"
#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// One durable gatherer whose broker answers with this epoch.
struct Site {
    Disk disk;
    Process gatherer{disk};
    JobId job = job_number(1);
    std::uint16_t broker_minor = wire::version_minor;

    void welcome(Epoch epoch) {
        wire::Welcome welcome;
        welcome.minor = broker_minor;
        welcome.epoch = epoch;
        welcome.timeout = wire::Milliseconds{3'600'000};
        gatherer.say(welcome);
    }
    void assign(std::optional<std::uint64_t> total, wire::JobSpec spec = {}) {
        gatherer.say(
            wire::Assign{.job = job, .assignment = 1, .spec = std::move(spec), .total = total});
    }
    void results(Range range) {
        gatherer.step(Pulled{wire::Results{.job = job,
                                           .first = range.begin,
                                           .count = static_cast<std::uint32_t>(range.size())},
                             Slice::take(values(range))});
    }
    void collect(const std::string& peer, std::uint64_t position = 0) {
        gatherer.step(
            Received{.from = {peer},
                     .message = wire::Collect{.job = job, .position = position, .credit = 1 << 20},
                     .body = {}});
    }
    void restart() {
        gatherer.commit_all();
        gatherer.start();
    }
    /// The first message of this type that was said and not asked for yet.
    template <class T>
    std::optional<T> said() {
        for (auto at = gatherer.said.begin(); at != gatherer.said.end(); ++at) {
            const wire::Message* message = nullptr;
            if (auto* send = std::get_if<Send>(&*at)) message = &send->message;
            else if (auto* to_broker = std::get_if<SendBroker>(&*at)) message = &to_broker->message;
            if (!message || !std::holds_alternative<T>(*message)) continue;
            T found = std::get<T>(*message);
            gatherer.said.erase(at);
            return found;
        }
        return std::nullopt;
    }
    void later(Duration duration) {
        gatherer.wall += duration;
        gatherer.step(Tick{});
    }
};

}  // namespace

TEST_CASE(
    "durable gatherer: nothing is confirmed or shown before it is committed, and everything that "
    "was comes back") {
    Site stage;
    stage.welcome({1, 1});
    stage.assign(10);
    stage.collect("c1");
    stage.results({0, 4});
    stage.later(5ms);
    CHECK_FALSE(stage.said<wire::Gathered>());
    CHECK_FALSE(stage.said<wire::Values>());
    stage.gatherer.commit_all();
    REQUIRE(stage.said<wire::Gathered>());
    CHECK(stage.said<wire::Values>()->position == 1);
    stage.restart();
    stage.welcome({1, 1});
    CHECK(stage.said<wire::Gathered>()->ranges == std::vector<Range>{{0, 4}});
    stage.collect("c2", 1);
    stage.results({4, 6});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Values>()->position > 2);  // past what a life in between may have used
    CHECK_FALSE(stage.said<wire::Values>());
}

TEST_CASE("durable gatherer: a deadline goes on while it is down") {
    SUBCASE("it passed: the job ends at once") {
        Site stage;
        stage.welcome({1, 1});
        stage.assign(10, SpecBuilder().deadline(wire::Milliseconds{10'000}).spec);
        stage.later(4s);
        stage.gatherer.commit_all();
        stage.gatherer.wall += 7s;
        stage.restart();
        stage.welcome({1, 1});
        stage.gatherer.commit_all();
        CHECK(stage.said<wire::Propose>()->outcome == Outcome::expired);
    }
    SUBCASE("what remains is left to it") {
        Site stage;
        stage.assign(10, SpecBuilder().deadline(wire::Milliseconds{10'000}).spec);
        stage.later(4s);
        stage.restart();
        stage.welcome({1, 1});
        stage.later(5s);
        stage.gatherer.commit_all();
        CHECK_FALSE(stage.said<wire::Propose>());
        stage.later(1s);
        stage.gatherer.commit_all();
        CHECK(stage.said<wire::Propose>()->outcome == Outcome::expired);
    }
    SUBCASE("a wall clock that is put back gives no more than it had") {
        Site stage;
        stage.assign(10, SpecBuilder().deadline(wire::Milliseconds{10'000}).spec);
        stage.gatherer.wall -= 24h;
        stage.restart();
        stage.welcome({1, 1});
        stage.later(11s);
        stage.gatherer.commit_all();
        CHECK(stage.said<wire::Propose>()->outcome == Outcome::expired);
    }
}

TEST_CASE(
    "durable gatherer: what a proposal had settled is settled after a restart, and is proposed "
    "again") {
    Site stage;
    stage.welcome({1, 1});
    stage.assign(10, SpecBuilder().deadline(wire::Milliseconds{1'000}).spec);
    stage.results({0, 9});
    stage.later(1s);
    stage.restart();
    stage.results({9, 10});  // would complete it
    stage.welcome({1, 1});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Propose>()->outcome == Outcome::expired);
    stage.collect("c1");
    CHECK_FALSE(stage.said<wire::Concluded>());
}

TEST_CASE("durable gatherer: complete with every value is proposed as that after a restart too") {
    Site stage;
    stage.welcome({1, 1});
    stage.assign(2);
    stage.results({0, 2});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Propose>()->every_value);
    stage.restart();
    stage.welcome({1, 1});
    auto again = stage.said<wire::Propose>();
    REQUIRE(again);
    CHECK(again->outcome == Outcome::complete);
    CHECK(again->every_value);
}

TEST_CASE(
    "durable gatherer: a broker that lost its memory, and asks for nothing, ends the jobs, also "
    "when that came while the gatherer was down") {
    Site stage;
    stage.broker_minor = wire::minor_of_holds - 1;
    stage.welcome({0, 1});
    stage.assign(10);
    stage.results({0, 3});
    stage.restart();
    SUBCASE("the same life") {
        stage.welcome({0, 1});
        stage.gatherer.commit_all();
        CHECK(stage.said<wire::Gathered>());
        stage.collect("c1");
        CHECK_FALSE(stage.said<wire::Concluded>());
    }
    SUBCASE("another life without memory") {
        stage.welcome({0, 2});
        stage.restart();
        stage.collect("c1");
        CHECK(stage.said<wire::Concluded>()->outcome == Outcome::failed);
        stage.later(gatherer::limits::keep_ended - 1min);
        CHECK(stage.gatherer.core->held_bytes() > 0);
        stage.restart();
        stage.later(2min);
        stage.gatherer.commit_all();
        CHECK(stage.gatherer.core->held_bytes() == 0);
        CHECK(stage.disk.rows_of(stage.job) == 0);
    }
}

TEST_CASE("durable gatherer: a broker that read its store is the same broker") {
    Site stage;
    stage.welcome({3, 1});
    stage.assign(10);
    stage.results({0, 3});
    stage.gatherer.commit_all();
    stage.welcome({4, 2});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Gathered>()->ranges == std::vector<Range>{{0, 3}});
    stage.results({3, 10});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Propose>()->outcome == Outcome::complete);
}

TEST_CASE("durable gatherer: what an attached job's collector has is let go on disk too") {
    Site stage;
    stage.welcome({1, 1});
    stage.assign(200, SpecBuilder().attached().spec);
    stage.collect("c1");
    for (Index i = 0; i < 128; ++i) {
        stage.results({i, i + 1});
        stage.gatherer.commit_all();
        stage.gatherer.step(
            Received{.from = {"c1"},
                     .message = wire::Acknowledge{.job = stage.job, .position = i + 1},
                     .body = {}});
    }
    stage.restart();
    CHECK(stage.disk.rows_of(stage.job, Row::entry) == 0);
    CHECK(stage.disk.rows_of(stage.job, Row::let_go) == 1);
    stage.welcome({1, 1});
    CHECK(stage.said<wire::Gathered>()->ranges == std::vector<Range>{{0, 128}});
    stage.gatherer.said.clear();
    stage.collect("c2", 128);
    CHECK(stage.gatherer.core->held_bytes() == 0);
    stage.results({128, 200});
    stage.gatherer.commit_all();
    CHECK(stage.said<wire::Values>()->position > 129);
    CHECK(stage.said<wire::Concluded>()->values == 200);
}

namespace {
/// What the last heartbeat says of the store.
std::string last_trouble(const Process& gatherer) {
    for (auto at = gatherer.said.rbegin(); at != gatherer.said.rend(); ++at)
        if (auto* send = std::get_if<SendBroker>(&*at))
            if (auto* heartbeat = std::get_if<wire::Heartbeat>(&send->message))
                return heartbeat->trouble;
    return "no heartbeat";
}
}  // namespace

TEST_CASE(
    "durable gatherer: while the store can't write it tells nothing, takes what fits, and goes on "
    "after that") {
    Site stage;
    stage.gatherer.memory_bytes = 4096;
    stage.gatherer.start();
    stage.welcome({1, 1});
    stage.assign(100);
    stage.gatherer.commit_all();
    stage.gatherer.step(StoreTrouble{"cannot write /state: disk is full"});
    CHECK(stage.gatherer.errors == std::vector<std::string>{"cannot write /state: disk is full"});
    // The broker hears of it at once, for the clients.
    CHECK(last_trouble(stage.gatherer) == "cannot write /state: disk is full");
    stage.collect("c1");
    for (Index i = 0; i < 100; ++i) stage.results({i, i + 1});
    CHECK(stage.gatherer.core->held_bytes() < 8192);
    stage.later(3s);
    stage.gatherer.commit_all();
    CHECK_FALSE(stage.said<wire::Gathered>());
    CHECK_FALSE(stage.said<wire::Values>());
    stage.gatherer.step(StoreTrouble{});
    CHECK(last_trouble(stage.gatherer).empty());
    auto gathered = stage.said<wire::Gathered>();
    REQUIRE(gathered);
    CHECK(gathered->ranges.front().begin == 0);
    CHECK(gathered->ranges.front().end < 100);
    while (!stage.gatherer.fetches.empty()) stage.gatherer.answer();
    CHECK(stage.said<wire::Values>());
}

namespace {

template <class T>
Record record_of(std::uint64_t number, const T& row, std::string body = {}) {
    return {.job = job_number(1),
            .kind = static_cast<std::uint8_t>(T::kind),
            .number = number,
            .data = wire::fields::encode_fields(row),
            .body = Slice::take(std::move(body))};
}

}  // namespace

TEST_CASE("durable gatherer: a row that can't be read fails its job by name, and no other") {
    Site stage;
    stage.welcome({1, 1});
    stage.assign(10);
    stage.results({0, 4});
    stage.job = job_number(2);
    stage.assign(3);
    stage.results({0, 2});
    stage.gatherer.commit_all();
    std::uint8_t kind = 0;
    SUBCASE("an entry") { kind = static_cast<std::uint8_t>(Row::entry); }
    SUBCASE("the job itself") { kind = static_cast<std::uint8_t>(Row::job); }
    Core core(Stage::durable_with(1 << 20));
    stage.disk.each([&](Record record) {
        if (record.job == job_number(1) && record.kind == kind) record.data = "x";
        core.restore(record);
    });
    CHECK(core.unreadable_rows() == 1);
    std::vector<Action> actions;
    auto step = [&](Event event) {
        core.step(Time{1h}, std::move(event), actions);
        core.check_invariants();
    };
    step(Tick{});
    step(FromBroker{wire::Welcome{.epoch = {1, 1}}, {}});
    step(FromBroker{wire::Assign{.job = job_number(1), .assignment = 1, .total = 10}, {}});
    step(Pulled{wire::Results{.job = job_number(2), .first = 2, .count = 1},
                Slice::take(values({2, 3}))});
    std::map<JobId, wire::Propose> proposed;
    for (const Action& action : actions)
        if (auto* send = std::get_if<SendBroker>(&action))
            if (auto* propose = std::get_if<wire::Propose>(&send->message))
                proposed[propose->job] = *propose;
    CHECK(proposed[job_number(1)].outcome == Outcome::failed);
    CHECK(proposed[job_number(1)].assignment == 1);
    std::string name = "row " + std::to_string(kind) + ".0 of job " + to_string(job_number(1));
    CHECK(proposed[job_number(1)].reason.find(name) != std::string::npos);
    CHECK(proposed[job_number(2)].outcome == Outcome::complete);
    step(FromBroker{wire::Ended{.job = job_number(1), .assignment = 1, .outcome = Outcome::failed},
                    {}});
    CHECK(core.held_bytes() < 2048);  // its values are let go of, the other job's are held
}

TEST_CASE("durable gatherer: a row that does not fit the others is not taken") {
    auto takes = [](const Record& last) {
        Core core(Stage::durable_with(1 << 20));
        core.restore(record_of(0, JobRow{}));
        core.restore(record_of(0, LetGoRow{.ranges = {{0, 2}}}));
        REQUIRE(core.unreadable_rows() == 0);
        core.restore(last);
        std::vector<Action> actions;
        core.step(Time{1h}, Tick{}, actions);
        core.check_invariants();
        return core.unreadable_rows() == 0;
    };
    CHECK(takes(record_of(3, EntryRow{.first = 2, .count = 2}, "\x01\x02")));
    CHECK_FALSE(takes(record_of(3, EntryRow{.first = 2, .count = 3}, "\x01\x02")));  // fewer values
    CHECK_FALSE(takes(record_of(~0ull, EntryRow{.first = 2, .count = 1}, "\x01")));
    auto failure = [](Index first, std::uint32_t count) {
        return record_of(3, EntryRow{.first = first, .count = count, .failure = {{.index = 2}}});
    };
    CHECK(takes(failure(2, 1)));
    CHECK_FALSE(takes(failure(2, 2)));                               // of two fragments
    CHECK_FALSE(takes(failure(3, 1)));                               // of another
    CHECK_FALSE(takes(record_of(2, LetGoRow{.ranges = {{1, 3}}})));  // it failed, and had a value
    CHECK_FALSE(takes(record_of(0, SequenceRow{.next = ~0ull})));
    CHECK_FALSE(takes(record_of(0, ProposalRow{.outcome = wire::Outcome::running})));
    Record unknown = record_of(7, SequenceRow{});
    unknown.kind = 77;
    CHECK_FALSE(takes(unknown));
    Record orphan = record_of(0, EntryRow{.first = 0, .count = 1}, "\x01");
    orphan.job = job_number(2);
    CHECK_FALSE(takes(orphan));
}

TEST_CASE("a gatherer in memory asks for nothing to be kept") {
    Stage stage;
    stage.assign(2);
    stage.results({0, 2});
    CHECK(stage.rows.empty());
    stage.skip<wire::Gathered, wire::Propose>();
}
