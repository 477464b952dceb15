// A job that is retried gathers again: what failed is gone, what has a value stays.
#include <doctest/doctest.h>

#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;

/// Five fragments: 0, 1 and 3 have values, 2 failed, 4 crashed; ended as partial.
struct Partial : Stage {
    explicit Partial(Options options = options_with(1 << 20), const wire::JobSpec& spec = {})
        : Stage(std::move(options)) {
        assign(5, spec);
        results({0, 2});
        failure(2);
        results({3, 4});
        failure(4, wire::FailureKind::crashed);
        gathered();
        CHECK(expect<wire::Propose>().outcome == Outcome::partial);
        ended(Outcome::partial);
    }
    void next_round(std::uint32_t round = 1, const wire::JobSpec& spec = {}) {
        say(wire::Assign{
            .job = job, .assignment = round + 1, .spec = spec, .total = 5, .round = round});
    }
    void ended_again(Outcome outcome) {
        say(wire::Ended{.job = job, .assignment = 2, .outcome = outcome, .total = 5});
    }
};

}  // namespace

TEST_CASE("a retried job confirms the values that it has, takes what failed, and ends again") {
    Partial stage;
    stage.next_round();
    auto gathered = stage.expect<wire::Gathered>();
    CHECK(gathered.ranges == Ranges{{0, 2}, {3, 4}});
    CHECK(gathered.round == 1);
    stage.results({2, 3});
    stage.later(5ms);
    CHECK(stage.gathered() == Ranges{{2, 3}});
    stage.results({4, 5});
    CHECK(stage.gathered() == Ranges{{4, 5}});
    auto propose = stage.expect<wire::Propose>();
    CHECK(propose.outcome == Outcome::complete);
    CHECK(propose.every_value);
    CHECK(propose.assignment == 2);
    stage.ended_again(Outcome::complete);
    stage.collect("c1", ordered);
    for (Range range : {Range{0, 2}, Range{2, 3}, Range{3, 4}, Range{4, 5}})
        CHECK(stage.values_to("c1") == range);
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.values == 5);
    CHECK(concluded.failures == 0);
    CHECK(concluded.missing.empty());
}

TEST_CASE(
    "a retried job can fail again, and is proposed again until the broker answers for this round") {
    Partial stage;
    stage.next_round();
    stage.gathered();
    stage.failure(2);
    stage.results({4, 5});
    CHECK(stage.gathered() == Ranges{{2, 3}, {4, 5}});
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::partial);
    stage.ended(Outcome::partial);  // of the round before
    stage.later(gatherer::limits::resend_after);
    CHECK(stage.expect<wire::Propose>().assignment == 2);
    stage.ended_again(Outcome::partial);
    stage.later(5s);
    stage.collect("c1", {});
    CHECK(stage.values_to("c1") == Range{0, 2});
    CHECK(stage.values_to("c1") == Range{3, 4});
    CHECK(stage.expect<wire::Failures>("c1").position == 5);  // sequences are never used again
    CHECK(stage.values_to("c1") == Range{4, 5});
    CHECK(stage.expect<wire::Concluded>("c1").failures == 1);
}

TEST_CASE("the same round again changes nothing, an earlier assignment neither") {
    Partial stage;
    stage.next_round();
    stage.gathered();
    stage.results({2, 3});
    stage.next_round();
    stage.assign(5);
    stage.later(5ms);
    CHECK(stage.gathered() == Ranges{{2, 3}});
}

TEST_CASE("a retried job has the deadline that its assignment tells") {
    Partial stage;
    stage.next_round(1, SpecBuilder().deadline(wire::Milliseconds{3000}).spec);
    stage.gathered();
    stage.later(2900ms);
    stage.nothing_left();
    stage.later(100ms);
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::expired);
    stage.ended_again(Outcome::expired);
}

TEST_CASE(
    "collectors of a job that is retried: one that has had something is turned away, one that "
    "waits goes on") {
    Stage stage;
    stage.assign(5);
    stage.failure(0);
    stage.collect("had", {});
    stage.expect<wire::Failures>("had");
    stage.results({2, 3});
    stage.values_to("had");
    stage.failure(1);
    stage.expect<wire::Failures>("had");
    stage.later(5ms);
    stage.gathered();
    stage.ended(Outcome::cancelled);
    stage.expect<wire::Concluded>("had");  // and not acknowledged
    stage.collect("stopped", {.credit = 1});
    stage.expect<wire::Failures>("stopped");
    stage.say(wire::Assign{.job = stage.job, .assignment = 2, .total = 5, .round = 1});
    CHECK(stage.expect<wire::Refused>("stopped").code == wire::RefusalCode::conflict);
    CHECK(stage.gathered() == Ranges{{2, 3}});
    stage.collect("waits", ordered);
    stage.results({0, 2});
    CHECK(stage.values_to("waits") == Range{0, 2});
    CHECK(stage.values_to("waits") == Range{2, 3});
    stage.say(wire::Assign{.job = stage.job, .assignment = 3, .total = 5, .round = 2});
    CHECK(stage.gathered() == Ranges{{0, 3}});
    CHECK(stage.expect<wire::Refused>("waits").code == wire::RefusalCode::conflict);
    stage.acknowledge("had", 3);
}

TEST_CASE("a round of a job that is not known opens it, and tells that nothing is here") {
    Stage stage;
    stage.say(wire::Assign{.job = stage.job, .assignment = 3, .total = 2, .round = 2});
    auto gathered = stage.expect<wire::Gathered>();
    CHECK(gathered.ranges.empty());
    CHECK(gathered.round == 2);
    stage.results({0, 2});
    stage.gathered();
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
}

TEST_CASE(
    "durable gatherer: cut at any record of its beginning, a round goes on as one, and leaves its "
    "own rows alone") {
    JobId job = job_number(1);
    std::size_t records = 1;
    for (std::size_t cut = 0; cut <= records; ++cut) {
        CAPTURE(cut);
        Disk disk;
        Process gatherer{disk};
        auto welcome = [&] {
            gatherer.say(wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
        };
        auto next_round = [&] {
            gatherer.say(wire::Assign{.job = job, .assignment = 2, .total = 3, .round = 1});
        };
        auto last_gathered = [&] {
            wire::Gathered last;
            for (const Action& action : gatherer.said)
                if (auto* to = std::get_if<SendBroker>(&action))
                    if (auto* gathered = std::get_if<wire::Gathered>(&to->message))
                        last = *gathered;
            return last;
        };
        welcome();
        gatherer.say(wire::Assign{.job = job, .assignment = 1, .total = 3});
        gatherer.step(
            Pulled{wire::Results{.job = job, .first = 0, .count = 1}, Slice::take(value(0))});
        for (Index index : {1, 2})
            gatherer.say(wire::Errors{.job = job, .failures = {{.index = index}}});
        gatherer.say(
            wire::Ended{.job = job, .assignment = 1, .outcome = Outcome::partial, .total = 3});
        gatherer.commit_all();
        gatherer.wall += 1s;
        next_round();
        records = gatherer.uncommitted();
        gatherer.commit(cut);
        gatherer.start();
        welcome();
        next_round();
        gatherer.commit_all();
        CHECK(last_gathered().round == 1);
        CHECK(last_gathered().ranges == Ranges{{0, 1}});
        for (Row kind : {Row::proposal, Row::outcome, Row::answered})
            CHECK(disk.rows_of(job, kind) == 0);
        CHECK(disk.rows_of(job, Row::job) == 1);
        CHECK(disk.rows_of(job, Row::entry) == 1);
        gatherer.step(
            Pulled{wire::Results{.job = job, .first = 1, .count = 2}, Slice::take(values({1, 3}))});
        gatherer.commit_all();
        gatherer.start();
        gatherer.said.clear();
        gatherer.step(Received{
            .from = {"c1"}, .message = wire::Collect{.job = job, .credit = 1000}, .body = {}});
        std::vector<std::uint64_t> positions;
        for (const Action& action : gatherer.said) {
            auto* send = std::get_if<Send>(&action);
            auto* some = send ? std::get_if<wire::Values>(&send->message) : nullptr;
            if (some) positions.push_back(some->position);
        }
        REQUIRE(positions.size() == 2);
        CHECK(positions.front() == 1);
        CHECK(positions.back() >= 4);  // of a later life
    }
    CHECK(records > 6);
}
