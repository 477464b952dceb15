// The scatterer's core: what it gathers, cancels and watches.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

// --- gathering

TEST_CASE("without a gatherer in the welcome, the collect waits for the broker's word") {
    Bench bench;
    bench.step(ControlOpened{{"c-one"}});
    bench.sent<wire::Hello>();
    auto lonely = welcome();
    lonely.gatherers.clear();
    bench.broker(lonely);
    bench.take<Connected>();
    bench.open();
    bench.step(AppendBlock{job, block(0, 3), 3});
    CHECK(bench.pushed().spec->preferred_gatherer.empty());
    bench.expect_nothing();
    bench.locate("G2", 1);
    bench.take<JobLocated>();
    bench.asked<wire::Collect>("G2");
}

TEST_CASE("results are delivered once, and acknowledged when they are consumed") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {4, 10});
    bench.expect_delivery({4, 10}, 1);
    bench.values("G1", 1, {4, 10});  // again
    bench.values("G1", 2, {2, 6});   // partly known
    bench.expect_delivery({2, 4}, 2);
    bench.step(Consumed{job, bench.last_receipt, 8});
    CHECK(bench.asked<wire::Acknowledge>("G1").position == 2);
    bench.from("G1", wire::Failures{job, 4, {failure(0, 2), failure(1, 3)}}, "aabbb");
    auto first = bench.take<DeliverFailure>();
    auto second = bench.take<DeliverFailure>();
    CHECK(first.output.view() == "aa");
    CHECK(second.output.view() == "bbb");
    CHECK(first.receipt.position == 2);
    CHECK(second.receipt.position == 4);
    bench.concluded("G1", 8, wire::Outcome::partial);
    CHECK(bench.take<JobConcluded>().end.outcome == wire::Outcome::partial);
    bench.step(Consumed{job, second.receipt, 5});
    CHECK(bench.asked<wire::Acknowledge>("G1").position == 4);
    bench.step(CloseJob{job});
    CHECK(bench.core.job_count() == 0);
}

TEST_CASE("failures whose outputs are not in the body are no message") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.from("G1", wire::Failures{job, 1, {failure(0, 9)}}, "aa");
    bench.expect_nothing();
}

TEST_CASE("a lost message is noticed by its gap, and asked for") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {0, 2});
    bench.expect_delivery({0, 2}, 1);
    bench.values("G1", 3, {4, 6});  // 2 was lost
    CHECK(bench.asked<wire::Collect>("G1").position == 1);
    bench.values("G1", 4, {6, 8});  // on its way before the question
    bench.expect_nothing();
    bench.concluded("G1", 8);  // this too
    CHECK(bench.asked<wire::Collect>("G1").position == 1);
    for (int answers = 0; answers < 2; ++answers) {
        for (std::uint64_t entry = 1; entry < 4; ++entry) {
            bench.values("G1", entry + 1, {2 * entry, 2 * entry + 2});
            if (answers == 0) bench.expect_delivery({2 * entry, 2 * entry + 2}, entry + 1);
        }
        bench.concluded("G1", 8);
    }
    CHECK(bench.take<JobConcluded>().end.values == 8);
}

TEST_CASE("a true gap is taken when the gatherer insists, and later ones with it") {
    Bench bench;
    bench.connect();
    bench.open_ten({.ordered = true});
    bench.values("G1", 2, {0, 2});
    bench.expect_delivery({0, 2}, 2);
    bench.values("G1", 5, {4, 5});
    CHECK(bench.asked<wire::Collect>("G1").position == 2);
    bench.values("G1", 5, {4, 5});
    bench.expect_delivery({4, 5}, 5);
    bench.values("G1", 9, {8, 9});
    bench.expect_delivery({8, 9}, 9);
    bench.concluded("G1", 4, wire::Outcome::expired);
    bench.take<JobConcluded>();
}

TEST_CASE("an end that comes before all values is questioned once") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {0, 6});
    bench.expect_delivery({0, 6}, 1);
    bench.concluded("G1", 10);
    CHECK(bench.asked<wire::Collect>("G1").position == 1);
    bench.values("G1", 2, {6, 10});
    bench.expect_delivery({6, 10}, 2);
    bench.concluded("G1", 10);
    CHECK(bench.take<JobConcluded>().end.values == 10);

    Bench stubborn;
    stubborn.connect();
    stubborn.open_ten();
    stubborn.concluded("G1", 10);
    stubborn.asked<wire::Collect>("G1");
    stubborn.concluded("G1", 10);
    stubborn.take<JobConcluded>();
}

TEST_CASE(
    "a silent gatherer is asked again, later and later, but not while the user has enough to do") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.pass(2100ms);
    bench.asked<wire::Collect>("G1");
    bench.pass(4100ms);
    bench.asked<wire::Collect>("G1");
    wire::Values large{.job = job, .position = 1, .first = 0, .count = 1, .meta = {}};
    bench.from("G1", large, std::string(scatterer::limits::collector_credit_bytes, 'x'));
    auto delivery = bench.take<Deliver>();
    bench.pass(20s);
    for (int i = 0; i < 2; ++i)
        bench.sent<wire::Watch>();  // of the broker, whether the job has ended
    bench.expect_nothing();
    bench.step(Consumed{job, delivery.receipt, scatterer::limits::collector_credit_bytes});
    bench.asked<wire::Acknowledge>("G1");
    bench.pass(100ms);
    CHECK(bench.asked<wire::Collect>("G1").position == 1);
}

TEST_CASE(
    "another gatherer: collected from the start, what was delivered is dropped and acknowledged") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {0, 4});
    bench.expect_delivery({0, 4}, 1);
    Receipt old = bench.last_receipt;
    bench.locate("G2", 2);
    CHECK(bench.asked<wire::Collect>("G2").position == 0);
    bench.values("G1", 2, {4, 10});  // of the one before
    bench.expect_nothing();
    bench.values("G2", 1, {2, 6});
    bench.expect_delivery({4, 6}, 1);
    bench.step(Consumed{job, old, 4});
    bench.expect_nothing();  // a position of the one before is nothing to this one
    bench.step(Consumed{job, bench.last_receipt, 2});
    CHECK(bench.asked<wire::Acknowledge>("G2").position == 1);
    bench.values("G2", 2, {0, 2});
    CHECK(bench.asked<wire::Acknowledge>("G2").position == 2);
    bench.locate("G1", 1);  // an old message
    bench.expect_nothing();
}

TEST_CASE("another gatherer, in order: collected from where we are") {
    Bench bench;
    bench.connect();
    bench.open_ten({.ordered = true});
    bench.values("G1", 4, {0, 4});
    bench.expect_delivery({0, 4}, 4);
    bench.locate("G2", 2);
    CHECK(bench.asked<wire::Collect>("G2").position == 4);
    bench.values("G2", 10, {2, 10});
    bench.expect_delivery({4, 10}, 10);
}

TEST_CASE("the same gatherer with a higher assignment starts over") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.locate("G1", 2);
    bench.asked<wire::Collect>("G1");
    bench.locate("G1", 2);
    bench.expect_nothing();
}

TEST_CASE("the broker's end counts when the gatherer stays mute") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    wire::Ended ended{.job = job,
                      .assignment = 1,
                      .outcome = wire::Outcome::failed,
                      .reason = "its gatherer is gone"};
    ended.total = 10;
    ended.missing.push_back({"cancelled", {{0, 10}}});
    bench.broker(ended);
    auto told = bench.take<JobEnded>();
    CHECK(told.outcome == wire::Outcome::failed);
    CHECK(told.sealed);
    bench.pass(4900ms);
    std::erase_if(bench.actions, [](const Action& action) {
        return std::holds_alternative<SendGatherer>(action);
    });
    bench.expect_nothing();
    bench.pass(200ms);
    auto end = bench.take<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::failed);
    CHECK(end.reason == "its gatherer is gone");
    CHECK(end.missing.size() == 1);
}

TEST_CASE("a gatherer that turns us away is asked again later") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.from("G1",
               wire::Refused{.code = wire::RefusalCode::overloaded, .text = "no room", .job = job});
    bench.expect_nothing();
    bench.pass(2100ms);
    CHECK(bench.sent<wire::Watch>().job == job);
    bench.pass(2s);
    bench.asked<wire::Collect>("G1");
    bench.from("G1", wire::Refused{.code = wire::RefusalCode::version,
                                   .text = "the gatherer speaks 2.0",
                                   .job = job});
    CHECK(bench.take<JobRefused>().text == "the gatherer speaks 2.0");
}

// --- cancelling, watching, leaving

TEST_CASE("cancel is said again until the end; before the first block nobody needs to hear of it") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.step(CancelJob{job, "enough"});
    CHECK(bench.sent<wire::Cancel>().reason == "enough");
    bench.pass(1100ms);
    bench.sent<wire::Cancel>();
    bench.broker(wire::Ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::cancelled, .reason = "enough"});
    bench.take<JobEnded>();
    bench.concluded("G1", 0, wire::Outcome::cancelled);
    bench.take<JobConcluded>();

    bench.open({}, other_job);
    bench.step(CancelJob{other_job, "never mind"});
    auto end = bench.take<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::cancelled);
    CHECK(end.reason == "never mind");
}

TEST_CASE("a job let go of is cancelled once the broker knows it, and then forgotten") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.step(CancelJob{job, "its client let go of it"});
    bench.step(CloseJob{job});
    bench.expect_nothing();
    CHECK(bench.core.job_count() == 1);
    bench.accept(10);
    bench.sent<wire::Cancel>();
    bench.values("G1", 1, {0, 4});
    bench.broker(wire::Ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::cancelled, .reason = {}});
    bench.pass(200ms);
    CHECK(bench.core.job_count() == 0);
}

TEST_CASE("a detached job let go of still gets to the broker") {
    Bench bench;
    bench.connect();
    bench.step(OpenJob{job, 77, spec(false), {}});
    bench.step(AppendBlock{job, block(0, 90)});
    bench.pushed();
    bench.step(AppendBlock{job, block(90, 50), 140});
    bench.step(CloseJob{job});
    bench.accept(90, 200);
    CHECK(bench.pushed().total == 140);
    bench.broker(wire::Sealed{job, 140});
    bench.pass(200ms);
    CHECK(bench.core.job_count() == 0);
}

TEST_CASE("a detached job can be collected by its opener, also after its end") {
    Bench bench;
    bench.connect();
    bench.step(OpenJob{job, 77, spec(false), {}});
    bench.step(AppendBlock{job, block(0, 10), 10});
    bench.pushed();
    bench.locate("G1", 1);
    bench.take<JobLocated>();
    wire::Ended ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::complete, .reason = {}};
    ended.total = 10;
    bench.broker(ended);
    CHECK(bench.take<JobEnded>().sealed);
    bench.step(CollectJob{job, {}});
    bench.asked<wire::Collect>("G1");
    bench.values("G1", 1, {0, 10});
    bench.expect_delivery({0, 10}, 1);
    bench.concluded("G1", 10);
    bench.take<JobConcluded>();
}

TEST_CASE("a job of others: watched, located, collected; an unknown one is refused") {
    Bench bench;
    bench.connect();
    bench.step(WatchJob{job});
    bench.step(CollectJob{job, {.ordered = false, .now = true}});
    CHECK(bench.sent<wire::Watch>().job == job);
    bench.pass(2100ms);
    bench.sent<wire::Watch>();
    bench.locate("G1", 3);
    bench.take<JobLocated>();
    CHECK(bench.asked<wire::Collect>("G1").now);
    bench.values("G1", 1, {0, 4});
    bench.expect_delivery({0, 4}, 1);
    bench.concluded("G1", 4, wire::Outcome::running);
    CHECK(bench.take<JobConcluded>().end.outcome == wire::Outcome::running);
    bench.step(CloseJob{job});

    bench.step(WatchJob{other_job});
    bench.sent<wire::Watch>();
    bench.broker(wire::Refused{
        .code = wire::RefusalCode::unknown_job, .text = "there is no such job", .job = other_job});
    CHECK(bench.take<JobRefused>().text == "there is no such job");
}

TEST_CASE("who only watches hears of the end from the broker") {
    Bench bench;
    bench.connect();
    bench.step(WatchJob{job});
    bench.sent<wire::Watch>();
    bench.locate("G1", 1);
    bench.take<JobLocated>();
    bench.broker(
        wire::Ended{.job = job, .assignment = 1, .outcome = wire::Outcome::expired, .reason = {}});
    bench.take<JobEnded>();
    CHECK(bench.take<JobConcluded>().end.outcome == wire::Outcome::expired);
}

TEST_CASE("leaving cancels attached jobs that run, and says goodbye") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.step(OpenJob{other_job, 1, spec(false), {}});
    bench.step(AppendBlock{other_job, block(0, 1), 1});
    bench.pushed();
    bench.step(Leave{});
    CHECK(bench.sent<wire::Cancel>().job == job);
    bench.sent<wire::Bye>();
}

TEST_CASE("bytes that are no message harm nobody") {
    Bench bench;
    bench.connect();
    bench.step(Garbled{{"x"}, "not MessagePack"});
    bench.broker(wire::Drop{job});
    bench.from("G1", wire::Bye{});
    bench.from("G1", wire::Refused{.code = wire::RefusalCode::malformed, .text = "?", .job = {}});
    bench.broker(wire::Accepted{job, 5, 5});
    bench.broker(wire::Sealed{job, 5});
    bench.broker(
        wire::Ended{.job = job, .assignment = 1, .outcome = wire::Outcome::failed, .reason = {}});
    bench.values("G1", 1, {0, 4});
}
