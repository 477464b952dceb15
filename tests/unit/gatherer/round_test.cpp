// A job that is retried gathers again: what failed is gone, what has a value stays.
#include <doctest/doctest.h>

#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;
constexpr auto ordered = wire::Collect{.ordered = true};

/// Five fragments: 0, 1 and 3 have values, 2 failed, 4 crashed; ended as partial.
struct Partial : Bench {
    explicit Partial(Options options = options_with(1 << 20), const wire::JobSpec& spec = {})
        : Bench(std::move(options)) {
        assign(5, spec);
        results({0, 2});
        failure(2);
        results({3, 4});
        failure(4, wire::FailureKind::crashed);
        gathered();
        CHECK(broker<wire::Propose>().outcome == Outcome::partial);
        ended(Outcome::partial);
    }
    void next_round(std::uint32_t round = 1, const wire::JobSpec& spec = {}) {
        from_broker(wire::Assign{
            .job = job, .assignment = round + 1, .spec = spec, .total = 5, .round = round});
    }
    void ended_again(Outcome outcome) {
        from_broker(wire::Ended{.job = job, .assignment = 2, .outcome = outcome, .total = 5});
    }
};

}  // namespace

TEST_CASE("a retried job confirms the values that it has, takes what failed, and ends again") {
    Partial bench;
    bench.next_round();
    auto gathered = bench.broker<wire::Gathered>();
    CHECK(gathered.ranges == Ranges{{0, 2}, {3, 4}});
    CHECK(gathered.round == 1);
    bench.results({2, 3});
    bench.later(5ms);
    CHECK(bench.gathered() == Ranges{{2, 3}});
    bench.results({4, 5});
    CHECK(bench.gathered() == Ranges{{4, 5}});
    auto propose = bench.broker<wire::Propose>();
    CHECK(propose.outcome == Outcome::complete);
    CHECK(propose.every_value);
    CHECK(propose.assignment == 2);
    bench.ended_again(Outcome::complete);
    bench.collect("c1", ordered);
    for (Range range : {Range{0, 2}, Range{2, 3}, Range{3, 4}, Range{4, 5}})
        CHECK(bench.values_to("c1") == range);
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.values == 5);
    CHECK(concluded.failures == 0);
    CHECK(concluded.missing.empty());
}

TEST_CASE(
    "a retried job can fail again, and is proposed again until the broker answers for this round") {
    Partial bench;
    bench.next_round();
    bench.gathered();
    bench.failure(2);
    bench.results({4, 5});
    CHECK(bench.gathered() == Ranges{{2, 3}, {4, 5}});
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::partial);
    bench.ended(Outcome::partial);  // of the round before
    bench.later(gatherer::limits::resend_after);
    CHECK(bench.broker<wire::Propose>().assignment == 2);
    bench.ended_again(Outcome::partial);
    bench.later(5s);
    bench.collect("c1", {});
    CHECK(bench.values_to("c1") == Range{0, 2});
    CHECK(bench.values_to("c1") == Range{3, 4});
    CHECK(bench.to<wire::Failures>("c1").position == 5);  // sequences are never used again
    CHECK(bench.values_to("c1") == Range{4, 5});
    CHECK(bench.to<wire::Concluded>("c1").failures == 1);
}

TEST_CASE("the same round again changes nothing, an earlier assignment neither") {
    Partial bench;
    bench.next_round();
    bench.gathered();
    bench.results({2, 3});
    bench.next_round();
    bench.assign(5);
    bench.later(5ms);
    CHECK(bench.gathered() == Ranges{{2, 3}});
}

TEST_CASE("a retried job has the deadline that its assignment tells") {
    Partial bench;
    bench.next_round(1, SpecBuilder().deadline(wire::Milliseconds{3000}).spec);
    bench.gathered();
    bench.later(2900ms);
    bench.nothing_left();
    bench.later(100ms);
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::expired);
    bench.ended_again(Outcome::expired);
}

TEST_CASE(
    "collectors of a job that is retried: one that has had something is turned away, one that "
    "waits goes on") {
    Bench bench;
    bench.assign(5);
    bench.failure(0);
    bench.collect("had", {});
    bench.to<wire::Failures>("had");
    bench.results({2, 3});
    bench.values_to("had");
    bench.failure(1);
    bench.to<wire::Failures>("had");
    bench.later(5ms);
    bench.gathered();
    bench.ended(Outcome::cancelled);
    bench.to<wire::Concluded>("had");  // and not acknowledged
    bench.collect("stopped", {.credit = 1});
    bench.to<wire::Failures>("stopped");
    bench.from_broker(wire::Assign{.job = bench.job, .assignment = 2, .total = 5, .round = 1});
    CHECK(bench.to<wire::Refused>("stopped").code == wire::RefusalCode::conflict);
    CHECK(bench.gathered() == Ranges{{2, 3}});
    bench.collect("waits", ordered);
    bench.results({0, 2});
    CHECK(bench.values_to("waits") == Range{0, 2});
    CHECK(bench.values_to("waits") == Range{2, 3});
    bench.from_broker(wire::Assign{.job = bench.job, .assignment = 3, .total = 5, .round = 2});
    CHECK(bench.gathered() == Ranges{{0, 3}});
    CHECK(bench.to<wire::Refused>("waits").code == wire::RefusalCode::conflict);
    bench.acknowledge("had", 3);
}

TEST_CASE("a round of a job that is not known opens it, and tells that nothing is here") {
    Bench bench;
    bench.from_broker(wire::Assign{.job = bench.job, .assignment = 3, .total = 2, .round = 2});
    auto gathered = bench.broker<wire::Gathered>();
    CHECK(gathered.ranges.empty());
    CHECK(gathered.round == 2);
    bench.results({0, 2});
    bench.gathered();
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
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
            gatherer.from_broker(
                wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
        };
        auto next_round = [&] {
            gatherer.from_broker(wire::Assign{.job = job, .assignment = 2, .total = 3, .round = 1});
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
        gatherer.from_broker(wire::Assign{.job = job, .assignment = 1, .total = 3});
        gatherer.step(
            Pulled{wire::Results{.job = job, .first = 0, .count = 1}, Slice::take(value(0))});
        for (Index index : {1, 2})
            gatherer.from_broker(wire::Errors{.job = job, .failures = {{.index = index}}});
        gatherer.from_broker(
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
        CHECK(positions == std::vector<std::uint64_t>{1, 4});
    }
    CHECK(records > 6);
}
