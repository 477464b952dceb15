// The scatterer's core: the session with the broker, and what it scatters.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

// --- the session

TEST_CASE("hello is said again each second, until the welcome; then heartbeats") {
    Bench bench;
    bench.step(ControlOpened{{"c-one"}});
    auto hello = bench.sent<wire::Hello>();
    CHECK(hello.role == wire::Role::client);
    CHECK(hello.name == "me");
    CHECK(hello.epoch == Epoch{0, 5});
    bench.pass(900ms, false);
    bench.expect_nothing();
    bench.pass(100ms, false);
    bench.sent<wire::Hello>();
    bench.broker(welcome());
    CHECK(bench.take<Connected>().welcome.job_credit == 100);
    bench.now += 500ms;
    bench.step(Tick{});
    bench.sent<wire::Heartbeat>();
}

TEST_CASE(
    "no broker: an error that names the endpoint and the patience; a welcome afterwards still "
    "helps") {
    Bench bench;
    bench.step(ControlOpened{{"c-one"}});
    bench.sent<wire::Hello>();
    bench.pass(4900ms, false);
    for (int i = 0; i < 4; ++i) bench.sent<wire::Hello>();
    bench.expect_nothing();
    bench.pass(100ms, false);
    CHECK(bench.take<ConnectionFailed>().text ==
          "no broker answers at tcp://127.0.0.1:9; is it running? (waited 5s)");
    bench.sent<wire::Hello>();
    bench.open();
    CHECK(bench.take<JobRefused>().text.find("no broker answers") == 0);
    bench.broker(welcome());
    bench.take<Connected>();
    bench.open({}, other_job);
    bench.step(AppendBlock{other_job, block(0, 1)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
}

TEST_CASE("time in which this process stood still is not held against the broker") {
    Bench bench;
    bench.connect();
    bench.now += 60s;
    bench.step(Tick{});
    bench.sent<wire::Heartbeat>();
    bench.broker(wire::Heartbeat{});
    bench.pass(3s);
}

TEST_CASE("another protocol version ends it for good, with the broker's words") {
    Bench bench;
    bench.step(ControlOpened{{"c-one"}});
    bench.sent<wire::Hello>();
    bench.step(Ask{1, wire::Query{.number = 1, .topic = wire::Topic::jobs, .selector = {}}});
    bench.broker(wire::Refused{.code = wire::RefusalCode::version,
                               .text = "the broker speaks 2.0, the peer 1.0",
                               .job = {}});
    CHECK(bench.take<Answer>().reply.error().text == "the broker speaks 2.0, the peer 1.0");
    CHECK(bench.take<ConnectionFailed>().text == "the broker speaks 2.0, the peer 1.0");
    bench.pass(10s, false);
}

TEST_CASE("a broker that does not know us gets a hello, one for many refusals") {
    Bench bench;
    bench.connect();
    wire::Refused refused{
        .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}};
    bench.broker(refused);
    bench.sent<wire::Hello>();
    bench.broker(refused);
    bench.expect_nothing();
    bench.broker(welcome());
    bench.take<Connected>();
}

TEST_CASE(
    "a silent broker: people are told, a new connection is made, and jobs go on from where they "
    "were") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.accept(0);
    bench.step(AppendBlock{job, block(10, 5)});
    bench.pushed();
    bench.accept(10);
    bench.pass(5100ms, false);
    std::erase_if(bench.actions, [](const Action& action) {
        return !std::holds_alternative<JobNotice>(action) &&
               !std::holds_alternative<Reconnect>(action);
    });
    CHECK(bench.take<JobNotice>().text ==
          "the broker at tcp://127.0.0.1:9 is silent, reconnecting");
    bench.take<Reconnect>();
    bench.step(ControlOpened{{"c-two"}});
    bench.sent<wire::Hello>();
    bench.step(AppendBlock{job, block(15, 1), 16});
    bench.expect_nothing();  // there is no session
    bench.broker(welcome());
    bench.take<Connected>();
    CHECK(bench.sent<wire::Watch>().job == job);
    CHECK(bench.pushed().first == 10);
    auto last = bench.pushed();
    CHECK(last.first == 15);
    CHECK(last.total == 16);
}

TEST_CASE("a broker that stays away: jobs and questions end with an error") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.pass(15s, false);
    std::string refusal, failed;
    for (const Action& action : bench.actions) {
        if (auto* refused = std::get_if<JobRefused>(&action)) refusal = refused->text;
        if (auto* connection = std::get_if<ConnectionFailed>(&action)) failed = connection->text;
    }
    bench.actions.clear();
    CHECK(refusal ==
          "the broker at tcp://127.0.0.1:9 is gone: it fell silent and did not come back in 5s");
    CHECK(failed == refusal);
}

TEST_CASE("another life of the broker: running jobs end as failed") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.values("G1", 1, {0, 4});
    bench.expect_delivery({0, 4}, 1);
    bench.broker(wire::Refused{
        .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
    bench.sent<wire::Hello>();
    bench.broker(welcome(2));
    auto end = bench.take<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::failed);
    CHECK(end.reason == "the broker lost its memory (it was started again)");
    CHECK(end.values == 4);
    bench.take<Connected>();
    bench.concluded("G1", 4);  // too late
}

TEST_CASE("a question is asked again until it is answered, once") {
    Bench bench;
    bench.connect();
    bench.step(Ask{9, wire::Query{.number = 9, .topic = wire::Topic::workers, .selector = {}}});
    CHECK(bench.sent<wire::Query>().number == 9);
    bench.pass(2100ms);
    CHECK(bench.sent<wire::Query>().topic == wire::Topic::workers);
    wire::Report report{.number = 9};
    report.workers.push_back({.name = "w"});
    bench.broker(report);
    auto answer = bench.take<Answer>();
    CHECK(answer.number == 9);
    CHECK(std::get<wire::Report>(*answer.reply).workers.size() == 1);
    bench.broker(report);
    bench.pass(5s);
}

TEST_CASE(
    "whatever the session's state, the core asks for no wake-up in the past once it had its tick") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    for (int i = 0; i < 200; ++i) {
        bench.now += 100ms;
        bench.step(Tick{});
        CHECK(bench.core.next_wakeup() > bench.now);
    }
    bench.actions.clear();
}

// --- scattering

TEST_CASE("a small job is one block, with spec and total, and a collect beside it") {
    Bench bench;
    bench.connect();
    bench.open({.ordered = true});
    bench.step(AppendBlock{job, block(0, 3), 3});
    auto message = bench.pushed();
    CHECK(message.token == 77);
    CHECK(message.first == 0);
    CHECK(message.count == 3);
    CHECK(message.stride == scatterer::limits::cut_stride);
    CHECK(message.total == 3);
    REQUIRE(message.spec);
    CHECK(message.spec->owner.bytes == "c-one");
    CHECK(message.spec->preferred_gatherer == "G1");
    auto collect = bench.asked<wire::Collect>("G1");
    CHECK(collect.ordered);
    CHECK(collect.position == 0);
    CHECK(collect.credit == scatterer::limits::collector_credit_bytes);
    bench.accept(3);
    bench.broker(wire::Sealed{job, 3});
    bench.take<JobSealed>();
    bench.broker(wire::Sealed{job, 3});  // no news
    bench.locate("G1", 1);               // as guessed: no second collect
    bench.take<JobLocated>();
}

TEST_CASE("blocks stay within the credit, which grows by what the broker says") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 60)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.step(AppendBlock{job, block(60, 60)});
    bench.step(AppendBlock{job, block(120, 60)});
    bench.expect_nothing();
    bench.accept(0, 120);
    CHECK(bench.take<JobRoom>().limit == 120);
    CHECK(bench.pushed().first == 60);
    bench.accept(0, 110);  // an older one
    bench.accept(60, 180);
    CHECK(bench.take<JobRoom>().limit == 180);
    CHECK(bench.pushed().first == 120);
    bench.accept(180, 180);
}

TEST_CASE("one block larger than the credit goes alone") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.step(AppendBlock{job, block(10, 500)});
    bench.expect_nothing();
    bench.accept(10);
    CHECK(bench.pushed().count == 500);
}

TEST_CASE(
    "what is not accepted is sent again, later and later, and a cut one from where the broker is") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.step(AppendBlock{job, block(10, 20)});
    bench.pushed();
    bench.locate("G1", 1);
    bench.take<JobLocated>();
    bench.pass(1900ms);
    bench.expect_nothing();
    auto resent = [&] {
        std::vector<Index> firsts;
        for (const Action& action : std::exchange(bench.actions, {}))
            if (auto* push = std::get_if<PushBlock>(&action)) firsts.push_back(push->message.first);
        return firsts;
    };
    bench.pass(200ms);
    CHECK(resent() == std::vector<Index>{0, 10});
    bench.pass(3800ms);
    CHECK(resent().empty());
    bench.pass(300ms);
    CHECK(resent() == std::vector<Index>{0, 10});
    bench.accept(15);
    auto rest = bench.pushed();
    CHECK(rest.first == 15);
    CHECK(rest.count == 15);
    CHECK_FALSE(rest.spec);
    bench.accept(30);
    bench.pass(10s);
    CHECK(resent().empty());
}

TEST_CASE(
    "a seal behind the last block goes on control, again each second, once the broker knows the "
    "job") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    CHECK_FALSE(bench.pushed().total);
    bench.asked<wire::Collect>("G1");
    bench.step(SealJob{job, 10});
    bench.expect_nothing();  // the broker may not have the block yet
    bench.accept(10);
    CHECK(bench.sent<wire::Seal>().total == 10);
    bench.pass(1100ms);
    CHECK(bench.sent<wire::Seal>().token == 77);
    bench.broker(wire::Sealed{job, 10});
    bench.take<JobSealed>();
    bench.values("G1", 1, {0, 10});
    bench.expect_delivery({0, 10}, 1);
    bench.pass(1500ms);
}

TEST_CASE("a seal finds its last block unsent and goes with it") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 90)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.step(AppendBlock{job, block(90, 20)});
    bench.step(SealJob{job, 110});
    bench.accept(90, 200);
    bench.take<JobRoom>();
    CHECK(bench.pushed().total == 110);
}

TEST_CASE("a job without fragments is a block without any") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(SealJob{job, 0});
    auto message = bench.pushed();
    CHECK(message.count == 0);
    CHECK(message.total == 0);
    CHECK(message.spec);
    bench.asked<wire::Collect>("G1");
    bench.accept(0);
    bench.broker(wire::Sealed{job, 0});
    bench.take<JobSealed>();
}

TEST_CASE("a refused job hears why, and takes no more blocks") {
    Bench bench;
    bench.connect();
    bench.open();
    bench.step(AppendBlock{job, block(0, 10)});
    bench.pushed();
    bench.asked<wire::Collect>("G1");
    bench.broker(wire::Refused{
        .code = wire::RefusalCode::no_function, .text = "no worker offers 'f'", .job = job});
    CHECK(bench.take<JobRefused>().text == "no worker offers 'f'");
    bench.step(AppendBlock{job, block(10, 10)});
    bench.step(CloseJob{job});
    CHECK(bench.core.job_count() == 0);
}

TEST_CASE("a notice reaches the user") {
    Bench bench;
    bench.connect();
    bench.open_ten();
    bench.broker(wire::Notice{job, "no worker offers the function 'f'"});
    CHECK(bench.take<JobNotice>().text == "no worker offers the function 'f'");
}
