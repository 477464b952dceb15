// The scatterer's core: the session with the broker, and what it scatters.
#include <doctest/doctest.h>

#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

// --- the session

TEST_CASE("hello is said again each second, until the welcome; then heartbeats") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    auto hello = stage.expect<wire::Hello>();
    CHECK(hello.role == wire::Role::client);
    CHECK(hello.name == "me");
    CHECK(hello.epoch == Epoch{0, 5});
    stage.pass(900ms, false);
    stage.nothing_left();
    stage.pass(100ms, false);
    stage.expect<wire::Hello>();
    stage.say(welcome());
    CHECK(stage.expect<Connected>().welcome.job_credit == 100);
    stage.now += 500ms;
    stage.step(Tick{});
    stage.expect<wire::Heartbeat>();
}

TEST_CASE(
    "no broker: an error that names the endpoint and the patience; a welcome afterwards still "
    "helps") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    stage.pass(4900ms, false);
    for (int i = 0; i < 4; ++i) stage.expect<wire::Hello>();
    stage.nothing_left();
    stage.pass(100ms, false);
    CHECK(stage.expect<ConnectionFailed>().text ==
          "no broker answers at tcp://127.0.0.1:9; is it running? (waited 5s)");
    stage.expect<wire::Hello>();
    stage.open();
    CHECK(stage.expect<JobRefused>().text.find("no broker answers") == 0);
    stage.say(welcome());
    stage.expect<Connected>();
    stage.open({}, other_job);
    stage.step(AppendBlock{other_job, block(0, 1)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
}

TEST_CASE("time in which this process stood still is not held against the broker") {
    Stage stage;
    stage.connect();
    stage.now += 60s;
    stage.step(Tick{});
    stage.expect<wire::Heartbeat>();
    stage.say(wire::Heartbeat{});
    stage.pass(3s);
}

TEST_CASE("another protocol version ends it for good, with the broker's words") {
    Stage stage;
    stage.step(ControlOpened{{"c-one"}});
    stage.expect<wire::Hello>();
    stage.step(Ask{1, wire::Query{.number = 1, .topic = wire::Topic::jobs, .selector = {}}});
    stage.say(wire::Refused{.code = wire::RefusalCode::version,
                            .text = "the broker speaks 2.0, the peer 1.0",
                            .job = {}});
    CHECK(stage.expect<Answer>().reply.error().text == "the broker speaks 2.0, the peer 1.0");
    CHECK(stage.expect<ConnectionFailed>().text == "the broker speaks 2.0, the peer 1.0");
    stage.pass(10s, false);
}

TEST_CASE("a broker that does not know us gets a hello, one for many refusals") {
    Stage stage;
    stage.connect();
    wire::Refused refused{
        .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}};
    stage.say(refused);
    stage.expect<wire::Hello>();
    stage.say(refused);
    stage.nothing_left();
    stage.say(welcome());
    stage.expect<Connected>();
}

TEST_CASE(
    "a silent broker: people are told, a new connection is made, and jobs go on from where they "
    "were") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.accept(0);
    stage.step(AppendBlock{job, block(10, 5)});
    stage.pushed();
    stage.accept(10);
    stage.pass(5100ms, false);
    stage.ignore<PushBlock, wire::Collect>();
    CHECK(stage.expect<JobNotice>().text ==
          "the broker at tcp://127.0.0.1:9 is silent, reconnecting; it is given up after 5s");
    stage.expect<Reconnect>();
    stage.step(ControlOpened{{"c-two"}});
    stage.expect<wire::Hello>();
    stage.step(AppendBlock{job, block(15, 1), 16});
    stage.nothing_left();  // there is no session
    stage.say(welcome());
    stage.expect<Connected>();
    CHECK(stage.expect<JobNotice>().text == "the broker at tcp://127.0.0.1:9 answers again");
    CHECK(stage.expect<wire::Watch>().job == job);
    CHECK(stage.pushed().first == 10);
    auto last = stage.pushed();
    CHECK(last.first == 15);
    CHECK(last.total == 16);
}

TEST_CASE("a broker that stays away: jobs and questions end with an error") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.pass(15s, false);
    std::string refusal, failed;
    for (const Action& action : stage.take_rest()) {
        if (auto* refused = std::get_if<JobRefused>(&action)) refusal = refused->text;
        if (auto* connection = std::get_if<ConnectionFailed>(&action)) failed = connection->text;
    }
    CHECK(refusal ==
          "the broker at tcp://127.0.0.1:9 is gone: it fell silent and did not come back in 5s");
    CHECK(failed == refusal);
}

TEST_CASE("another life of the broker: running jobs end as failed") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.values("G1", 1, {0, 4});
    stage.expect_delivery({0, 4}, 1);
    stage.say(wire::Refused{
        .code = wire::RefusalCode::unknown_session, .text = "say Hello first", .job = {}});
    stage.expect<wire::Hello>();
    stage.say(welcome(2));
    auto end = stage.expect<JobConcluded>().end;
    CHECK(end.outcome == wire::Outcome::failed);
    CHECK(end.reason == "the broker lost its memory (it was started again)");
    CHECK(end.values == 4);
    stage.expect<Connected>();
    stage.concluded("G1", 4);  // too late
}

TEST_CASE("a question is asked again until it is answered, once") {
    Stage stage;
    stage.connect();
    stage.step(Ask{9, wire::Query{.number = 9, .topic = wire::Topic::workers, .selector = {}}});
    CHECK(stage.expect<wire::Query>().number == 9);
    stage.pass(2100ms);
    CHECK(stage.expect<wire::Query>().topic == wire::Topic::workers);
    wire::Report report{.number = 9};
    report.workers.push_back({.name = "w"});
    stage.say(report);
    auto answer = stage.expect<Answer>();
    CHECK(answer.number == 9);
    CHECK(std::get<wire::Report>(*answer.reply).workers.size() == 1);
    stage.say(report);
    stage.pass(5s);
}

TEST_CASE(
    "whatever the session's state, the core asks for no wake-up in the past once it had its tick") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    for (int i = 0; i < 200; ++i) {
        stage.now += 100ms;
        stage.step(Tick{});
        CHECK(stage.core.next_wakeup() > stage.now);
    }
    stage.take_rest();  // a lost session and what follows: other tests look at it
}

// --- scattering

TEST_CASE("a small job is one block, with spec and total, and a collect beside it") {
    Stage stage;
    stage.connect();
    stage.open({.ordered = true});
    stage.step(AppendBlock{job, block(0, 3), 3});
    auto message = stage.pushed();
    CHECK(message.token == 77);
    CHECK(message.first == 0);
    CHECK(message.count == 3);
    CHECK(message.stride == scatterer::limits::cut_stride);
    CHECK(message.total == 3);
    REQUIRE(message.spec);
    CHECK(message.spec->owner.bytes == "c-one");
    CHECK(message.spec->preferred_gatherer == "G1");
    auto collect = stage.expect<wire::Collect>("G1");
    CHECK(collect.ordered);
    CHECK(collect.position == 0);
    CHECK(collect.credit == scatterer::limits::collector_credit_bytes);
    stage.accept(3);
    stage.say(wire::Sealed{job, 3});
    stage.expect<JobSealed>();
    stage.say(wire::Sealed{job, 3});  // no news
    stage.locate("G1", 1);            // as guessed: no second collect
    stage.expect<JobLocated>();
}

TEST_CASE("blocks stay within the credit, which grows by what the broker says") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 60)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.step(AppendBlock{job, block(60, 60)});
    stage.step(AppendBlock{job, block(120, 60)});
    stage.nothing_left();
    stage.accept(0, 120);
    CHECK(stage.expect<JobRoom>().limit == 120);
    CHECK(stage.pushed().first == 60);
    stage.accept(0, 110);  // an older one
    stage.accept(60, 180);
    CHECK(stage.expect<JobRoom>().limit == 180);
    CHECK(stage.pushed().first == 120);
    stage.accept(180, 180);
}

TEST_CASE("a fragment larger than the window lets as many others of its size be added") {
    Stage stage;
    stage.connect();
    stage.open();
    PackedBlock large = block(0, 1);
    large.body = Slice::take(std::string(3 << 20, 'x'));
    stage.step(AppendBlock{job, large});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.accept(1, 64 << 20);
    CHECK(stage.expect<JobRoom>().limit == 51 << 20);
}

TEST_CASE("one block larger than the credit goes alone") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.step(AppendBlock{job, block(10, 500)});
    stage.nothing_left();
    stage.accept(10);
    CHECK(stage.pushed().count == 500);
}

TEST_CASE(
    "what is not accepted is sent again, later and later, and a cut one from where the broker is") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.step(AppendBlock{job, block(10, 20)});
    stage.pushed();
    stage.locate("G1", 1);
    stage.expect<JobLocated>();
    stage.pass(1900ms);
    stage.nothing_left();
    auto resent = [&] {
        std::vector<Index> firsts;
        for (const Action& action : stage.take_rest())
            if (auto* push = std::get_if<PushBlock>(&action)) firsts.push_back(push->message.first);
        return firsts;
    };
    stage.pass(200ms);
    CHECK(resent() == std::vector<Index>{0, 10});
    stage.pass(3800ms);
    CHECK(resent().empty());
    stage.pass(300ms);
    CHECK(resent() == std::vector<Index>{0, 10});
    stage.accept(15);
    auto rest = stage.pushed();
    CHECK(rest.first == 15);
    CHECK(rest.count == 15);
    CHECK_FALSE(rest.spec);
    stage.accept(30);
    stage.pass(10s);
    CHECK(resent().empty());
}

TEST_CASE(
    "a seal behind the last block goes on control, again each second, once the broker knows the "
    "job") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    CHECK_FALSE(stage.pushed().total);
    stage.expect<wire::Collect>("G1");
    stage.step(SealJob{job, 10});
    stage.nothing_left();  // the broker may not have the block yet
    stage.accept(10);
    CHECK(stage.expect<wire::Seal>().total == 10);
    stage.pass(1100ms);
    CHECK(stage.expect<wire::Seal>().token == 77);
    stage.say(wire::Sealed{job, 10});
    stage.expect<JobSealed>();
    stage.values("G1", 1, {0, 10});
    stage.expect_delivery({0, 10}, 1);
    stage.pass(1500ms);
}

TEST_CASE("a seal finds its last block unsent and goes with it") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 90)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.step(AppendBlock{job, block(90, 20)});
    stage.step(SealJob{job, 110});
    stage.accept(90, 200);
    stage.expect<JobRoom>();
    CHECK(stage.pushed().total == 110);
}

TEST_CASE("a job without fragments is a block without any") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(SealJob{job, 0});
    auto message = stage.pushed();
    CHECK(message.count == 0);
    CHECK(message.total == 0);
    CHECK(message.spec);
    stage.expect<wire::Collect>("G1");
    stage.accept(0);
    stage.say(wire::Sealed{job, 0});
    stage.expect<JobSealed>();
}

TEST_CASE("a refused job hears why, and takes no more blocks") {
    Stage stage;
    stage.connect();
    stage.open();
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.expect<wire::Collect>("G1");
    stage.say(wire::Refused{
        .code = wire::RefusalCode::no_function, .text = "no worker offers 'f'", .job = job});
    CHECK(stage.expect<JobRefused>().text == "no worker offers 'f'");
    stage.step(AppendBlock{job, block(10, 10)});
    stage.step(CloseJob{job});
    CHECK(stage.core.job_count() == 0);
}

TEST_CASE("a notice reaches the user") {
    Stage stage;
    stage.connect();
    stage.open_ten();
    stage.say(wire::Notice{job, "no worker offers the function 'f'"});
    CHECK(stage.expect<JobNotice>().text == "no worker offers the function 'f'");
}
