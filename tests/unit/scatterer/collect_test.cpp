// The scatterer's core: what it gathers, cancels and watches.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

// --- gathering

TEST_CASE("without a gatherer in the welcome, the collect waits for the broker's word") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    auto lonely = welcome();
    lonely.gatherers.clear();
    stage.say(lonely);
    stage.expect<Connected>();
    stage.open();
    stage.step(AppendBlock{job, block(0, 3), 3});
    CHECK(stage.pushed().spec->preferred_gatherer.empty());
    stage.nothing_left();
    stage.locate("G2", 1);
    stage.expect<JobLocated>();
    stage.expect<wire::Collect>("G2");
}

TEST_CASE("results are delivered once, and acknowledged when they are consumed") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {4, 10});
    stage.expect_delivery({4, 10}, 1);
    stage.values("G1", 1, {4, 10});  // again
    stage.values("G1", 2, {2, 6});   // partly known
    stage.expect_delivery({2, 4}, 2);
    stage.step(Consumed{job, stage.last_receipt, 8});
    CHECK(stage.expect<wire::Acknowledge>("G1").position == 2);
    stage.say("G1", wire::Failures{job, 4, {failure(0, 2), failure(1, 3)}}, "aabbb");
    auto first = stage.expect<DeliverFailure>();
    auto second = stage.expect<DeliverFailure>();
    CHECK(first.output.view() == "aa");
    CHECK(second.output.view() == "bbb");
    CHECK(first.receipt.position == 2);
    CHECK(second.receipt.position == 4);
    stage.concluded("G1", 8, wire::Outcome::partial);
    CHECK(stage.expect<JobConcluded>().end.outcome == wire::Outcome::partial);
    stage.step(Consumed{job, second.receipt, 5});
    CHECK(stage.expect<wire::Acknowledge>("G1").position == 4);
    stage.step(CloseJob{job});
    CHECK(stage.core.job_count() == 0);
}

TEST_CASE("failures whose outputs are not in the body are no message") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say("G1", wire::Failures{job, 1, {failure(0, 9)}}, "aa");
    stage.nothing_left();
}

TEST_CASE("a lost message is noticed by its gap, and asked for") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 2});
    stage.expect_delivery({0, 2}, 1);
    stage.values("G1", 3, {4, 6});  // 2 was lost
    CHECK(stage.expect<wire::Collect>("G1").position == 1);
    stage.values("G1", 4, {6, 8});  // on its way before the question
    stage.nothing_left();
    stage.concluded("G1", 8);  // this too
    CHECK(stage.expect<wire::Collect>("G1").position == 1);
    for (int answers = 0; answers < 2; ++answers) {
        for (std::uint64_t entry = 1; entry < 4; ++entry) {
            stage.values("G1", entry + 1, {2 * entry, 2 * entry + 2});
            if (answers == 0) stage.expect_delivery({2 * entry, 2 * entry + 2}, entry + 1);
        }
        stage.concluded("G1", 8);
    }
    CHECK(stage.expect<JobConcluded>().end.values == 8);
}

TEST_CASE("a true gap is taken when the gatherer insists, and later ones with it") {
    Stage stage;
    stage.connect();
    stage.open_ten({.ordered = true});
    stage.values("G1", 2, {0, 2});
    stage.expect_delivery({0, 2}, 2);
    stage.values("G1", 5, {4, 5});
    CHECK(stage.expect<wire::Collect>("G1").position == 2);
    stage.values("G1", 5, {4, 5});
    stage.expect_delivery({4, 5}, 5);
    stage.values("G1", 9, {8, 9});
    stage.expect_delivery({8, 9}, 9);
    stage.concluded("G1", 4, wire::Outcome::expired);
    stage.expect<JobConcluded>();
}

TEST_CASE("an end that comes before all values is questioned once") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 6});
    stage.expect_delivery({0, 6}, 1);
    stage.concluded("G1", 10);
    CHECK(stage.expect<wire::Collect>("G1").position == 1);
    stage.values("G1", 2, {6, 10});
    stage.expect_delivery({6, 10}, 2);
    stage.concluded("G1", 10);
    CHECK(stage.expect<JobConcluded>().end.values == 10);

    Stage stubborn;
    stubborn.connect();
    stubborn.open_ten();
    stubborn.concluded("G1", 10);
    stubborn.expect<wire::Collect>("G1");
    stubborn.concluded("G1", 10);
    stubborn.expect<JobConcluded>();
}

TEST_CASE(
    "a silent gatherer is asked again, later and later, but not while the user has enough to do") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.pass(2100ms);
    stage.expect<wire::Collect>("G1");
    stage.pass(4100ms);
    stage.expect<wire::Collect>("G1");
    wire::Values large{.job = job, .position = 1, .first = 0, .count = 1, .meta = {}};
    stage.say("G1", large, std::string(scatterer::limits::collector_credit_bytes, 'x'));
    auto delivery = stage.expect<Deliver>();
    stage.pass(20s);
    for (int i = 0; i < 2; ++i)
        stage.expect<wire::Watch>();  // of the broker, whether the job has ended
    stage.nothing_left();
    stage.step(Consumed{job, delivery.receipt, scatterer::limits::collector_credit_bytes});
    stage.expect<wire::Acknowledge>("G1");
    stage.pass(100ms);
    CHECK(stage.expect<wire::Collect>("G1").position == 1);
}

TEST_CASE(
    "another gatherer: collected from the start, what was delivered is dropped and acknowledged") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 4});
    stage.expect_delivery({0, 4}, 1);
    Receipt old = stage.last_receipt;
    stage.locate("G2", 2);
    CHECK(stage.expect<wire::Collect>("G2").position == 0);
    stage.values("G1", 2, {4, 10});  // of the one before
    stage.nothing_left();
    stage.values("G2", 1, {2, 6});
    stage.expect_delivery({4, 6}, 1);
    stage.step(Consumed{job, old, 4});
    stage.nothing_left();  // a position of the one before is nothing to this one
    stage.step(Consumed{job, stage.last_receipt, 2});
    CHECK(stage.expect<wire::Acknowledge>("G2").position == 1);
    stage.values("G2", 2, {0, 2});
    CHECK(stage.expect<wire::Acknowledge>("G2").position == 2);
    stage.locate("G1", 1);  // an old message
    stage.nothing_left();
}

TEST_CASE("another gatherer, in order: collected from where we are") {
    Stage stage;
    stage.connect();
    stage.open_ten({.ordered = true});
    stage.values("G1", 4, {0, 4});
    stage.expect_delivery({0, 4}, 4);
    stage.locate("G2", 2);
    CHECK(stage.expect<wire::Collect>("G2").position == 4);
    stage.values("G2", 10, {2, 10});
    stage.expect_delivery({4, 10}, 10);
}

TEST_CASE("the same gatherer with a higher assignment starts over") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.locate("G1", 2);
    stage.expect<wire::Collect>("G1");
    stage.locate("G1", 2);
    stage.nothing_left();
}

TEST_CASE("the broker's end counts when the gatherer stays mute") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    wire::Ended ended{.job = job,
                      .assignment = 1,
                      .outcome = wire::Outcome::failed,
                      .reason = "its gatherer is gone"};
    ended.total = 10;
    ended.missing.push_back({"cancelled", {{0, 10}}});
    stage.say(ended);
    auto told = stage.expect<JobEnded>();
    CHECK(told.outcome == wire::Outcome::failed);
    CHECK(told.sealed);
    stage.pass(4900ms);
    stage.ignore<wire::Collect>();
    stage.nothing_left();
    stage.pass(200ms);
    auto end = stage.expect<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::failed);
    CHECK(end.reason == "its gatherer is gone");
    CHECK(end.missing.size() == 1);
}

TEST_CASE("a gatherer that turns us away is asked again later") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say("G1",
              wire::Refused{.code = wire::RefusalCode::overloaded, .text = "no room", .job = job});
    stage.nothing_left();
    stage.pass(2100ms);
    CHECK(stage.expect<wire::Watch>().job == job);
    stage.pass(2s);
    stage.expect<wire::Collect>("G1");
    stage.say("G1", wire::Refused{.code = wire::RefusalCode::version,
                                  .text = "the gatherer speaks 2.0",
                                  .job = job});
    CHECK(stage.expect<JobRefused>().text == "the gatherer speaks 2.0");
}

// --- cancelling, watching, leaving

TEST_CASE("cancel is said again until the end; before the first block nobody needs to hear of it") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.step(CancelJob{job, "enough"});
    CHECK(stage.expect<wire::Cancel>().reason == "enough");
    stage.pass(1100ms);
    stage.expect<wire::Cancel>();
    stage.say(wire::Ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::cancelled, .reason = "enough"});
    stage.expect<JobEnded>();
    stage.concluded("G1", 0, wire::Outcome::cancelled);
    stage.expect<JobConcluded>();

    stage.open({}, other_job);
    stage.step(CancelJob{other_job, "never mind"});
    auto end = stage.expect<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::cancelled);
    CHECK(end.reason == "never mind");
}

TEST_CASE("a job let go of is cancelled once the broker knows it, and then forgotten") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.step(CancelJob{job, "its client let go of it"});
    stage.step(CloseJob{job});
    stage.nothing_left();
    CHECK(stage.core.job_count() == 1);
    stage.accept(10);
    stage.expect<wire::Cancel>();
    stage.values("G1", 1, {0, 4});
    stage.say(wire::Ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::cancelled, .reason = {}});
    stage.pass(200ms);
    CHECK(stage.core.job_count() == 0);
}

TEST_CASE("a detached job let go of still gets to the broker") {
    Stage stage;
    stage.connect();
    stage.step(OpenJob{job, 77, spec(false), {}});
    stage.step(AppendBlock{job, block(0, 90)});
    stage.pushed();
    stage.step(AppendBlock{job, block(90, 50), 140});
    stage.step(CloseJob{job});
    stage.accept(90, 200);
    CHECK(stage.pushed().total == 140);
    stage.say(wire::Sealed{job, 140});
    stage.pass(200ms);
    CHECK(stage.core.job_count() == 0);
}

TEST_CASE("a detached job can be collected by its opener, also after its end") {
    Stage stage;
    stage.connect();
    stage.step(OpenJob{job, 77, spec(false), {}});
    stage.step(AppendBlock{job, block(0, 10), 10});
    stage.pushed();
    stage.locate("G1", 1);
    stage.expect<JobLocated>();
    wire::Ended ended{
        .job = job, .assignment = 1, .outcome = wire::Outcome::complete, .reason = {}};
    ended.total = 10;
    stage.say(ended);
    CHECK(stage.expect<JobEnded>().sealed);
    stage.step(CollectJob{job, {}});
    stage.expect<wire::Collect>("G1");
    stage.values("G1", 1, {0, 10});
    stage.expect_delivery({0, 10}, 1);
    stage.concluded("G1", 10);
    stage.expect<JobConcluded>();
}

TEST_CASE("a job of others: watched, located, collected; an unknown one is refused") {
    Stage stage;
    stage.connect();
    stage.step(WatchJob{job});
    stage.step(CollectJob{job, {.ordered = false, .now = true}});
    CHECK(stage.expect<wire::Watch>().job == job);
    stage.pass(2100ms);
    stage.expect<wire::Watch>();
    stage.locate("G1", 3);
    stage.expect<JobLocated>();
    CHECK(stage.expect<wire::Collect>("G1").now);
    stage.values("G1", 1, {0, 4});
    stage.expect_delivery({0, 4}, 1);
    stage.concluded("G1", 4, wire::Outcome::running);
    CHECK(stage.expect<JobConcluded>().end.outcome == wire::Outcome::running);
    stage.step(CloseJob{job});

    stage.step(WatchJob{other_job});
    stage.expect<wire::Watch>();
    stage.say(wire::Refused{
        .code = wire::RefusalCode::unknown_job, .text = "there is no such job", .job = other_job});
    CHECK(stage.expect<JobRefused>().text == "there is no such job");
}

TEST_CASE("who only watches hears of the end from the broker") {
    Stage stage;
    stage.connect();
    stage.step(WatchJob{job});
    stage.expect<wire::Watch>();
    stage.locate("G1", 1);
    stage.expect<JobLocated>();
    stage.say(
        wire::Ended{.job = job, .assignment = 1, .outcome = wire::Outcome::expired, .reason = {}});
    stage.expect<JobEnded>();
    CHECK(stage.expect<JobConcluded>().end.outcome == wire::Outcome::expired);
}

TEST_CASE("leaving cancels attached jobs that run, and says goodbye") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.step(OpenJob{other_job, 1, spec(false), {}});
    stage.step(AppendBlock{other_job, block(0, 1), 1});
    stage.pushed();
    stage.step(Leave{});
    CHECK(stage.expect<wire::Cancel>().job == job);
    stage.expect<wire::Bye>();
}

TEST_CASE("nothing is said after the goodbye, though a heartbeat is due at that moment") {
    Stage stage;
    stage.connect();
    stage.now += 10s;
    stage.step(Leave{});
    stage.expect<wire::Bye>();
    CHECK(stage.silent());
    stage.now += 10s;
    stage.step(Tick{});
    CHECK(stage.silent());
}

TEST_CASE("bytes that are no message harm nobody") {
    Stage stage;
    stage.connect();
    stage.step(Garbled{{"x"}, "not MessagePack"});
    stage.say(wire::Drop{job});
    stage.say("G1", wire::Bye{});
    stage.say("G1", wire::Refused{.code = wire::RefusalCode::malformed, .text = "?", .job = {}});
    stage.say(wire::Accepted{job, 5, 5});
    stage.say(wire::Sealed{job, 5});
    stage.say(
        wire::Ended{.job = job, .assignment = 1, .outcome = wire::Outcome::failed, .reason = {}});
    stage.values("G1", 1, {0, 4});
}
