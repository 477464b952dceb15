// A name belongs to who lives; and what clients hear of the gatherer that their job waits for.
#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;
using namespace std::chrono_literals;

namespace {

bool says(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

/// Hello of the life of the gatherer G that this number tells from others.
void greet_as_gatherer(Stage& stage, const char* peer, std::uint64_t life, const char* endpoint,
                       std::string address) {
    wire::Hello hello{.role = wire::Role::gatherer,
                      .name = "G",
                      .epoch = {life, life},
                      .gatherer = {.name = "G", .epoch = {life, life}, .results = {endpoint}}};
    stage.step(Received{{peer}, std::move(hello), {}, {}, std::move(address)});
}

/// A second in which the client and the worker live.
void live(Stage& stage) {
    stage.pass(1s);
    stage.say("c", wire::Heartbeat{});
    stage.say("w", wire::Heartbeat{});
}

}  // namespace

TEST_CASE("a second gatherer under the name of one that lives is refused, and harms no job") {
    Stage stage;
    stage.client("c");
    greet_as_gatherer(stage, "g", 5, "tcp://10.0.0.1:7421", "10.0.0.1");
    stage.expect<wire::Welcome>("g");
    stage.worker("w");
    const JobId job = stage.open(1, 2);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}});
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed, wire::Release>();
    // A copy of its host, with its state: in a later life.
    greet_as_gatherer(stage, "copy", 6, "tcp://10.0.0.2:7421", "10.0.0.2");
    stage.nothing_left();  // does the other live?
    stage.pass(500ms);
    stage.say("g", wire::Heartbeat{});
    live(stage);
    greet_as_gatherer(stage, "copy", 6, "tcp://10.0.0.2:7421", "10.0.0.2");
    auto refused = stage.expect<wire::Refused>("copy");
    CHECK(refused.code == wire::RefusalCode::conflict);
    CHECK(says(refused.text, "tcp://10.0.0.1:7421 on 10.0.0.1"));
    CHECK(says(refused.text, "tcp://10.0.0.2:7421 on 10.0.0.2"));
    CHECK(says(refused.text, "--name"));
    CHECK(stage.core->jobs().at(job).running());
    CHECK(stage.core->jobs().at(job).assignment->gatherer == PeerId{"g"});

    SUBCASE("its connection closes: the other has the name when it asks again") {
        stage.step(Unroutable{{"g"}});
        greet_as_gatherer(stage, "copy", 6, "tcp://10.0.0.2:7421", "10.0.0.2");
        stage.expect<wire::Welcome>("copy");
        CHECK(stage.core->jobs().at(job).assignment->gatherer == PeerId{"copy"});
        stage.ignore<wire::SendAgain, wire::Located, wire::Mark>();
    }
    SUBCASE("it is silent for as long as a peer may be") {
        for (int second = 0; second < 4; ++second) {
            live(stage);
            greet_as_gatherer(stage, "copy", 6, "tcp://10.0.0.2:7421", "10.0.0.2");
        }
        stage.nothing_left();
        for (int second = 0; second < 4; ++second) live(stage);
        greet_as_gatherer(stage, "copy", 6, "tcp://10.0.0.2:7421", "10.0.0.2");
        stage.expect<wire::Welcome>("copy");
        stage.ignore<wire::SendAgain, wire::Located, wire::Notice, wire::Ended, wire::Drop,
                     wire::Mark>();
    }
}

TEST_CASE("a worker whose name is that of one that lives is refused, one that follows it is not") {
    Stage stage;
    stage.worker("w1", 1, 1, "builder");
    auto greet = [&](const char* peer, std::uint64_t incarnation) {
        stage.say(peer, wire::Hello{.role = wire::Role::worker,
                                    .name = "builder",
                                    .epoch = {0, incarnation},
                                    .slots = 1,
                                    .functions = {"f"}});
    };
    greet("w2", 2);
    stage.nothing_left();
    stage.pass(1s);
    stage.say("w1", wire::Heartbeat{});
    stage.pass(100ms);
    greet("w2", 2);
    CHECK(stage.expect<wire::Refused>("w2").code == wire::RefusalCode::conflict);
    greet("w3", 1);  // its own next connection
    stage.expect<wire::Welcome>("w3");
    stage.say("w3", wire::Bye{});
    greet("w4", 4);
    stage.expect<wire::Welcome>("w4");
}

TEST_CASE("clients are told of a gatherer that can store nothing, and status shows it") {
    Fleet stage;
    const JobId job = stage.open(1, 1);
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    auto notice = [&] {
        stage.say("c", wire::Query{.number = 1});
        return stage.expect<wire::Report>("c").jobs.at(0).notice;
    };
    CHECK(notice().empty());
    stage.say("g", wire::Heartbeat{.trouble = "the disk is full; make room"});
    auto told = stage.expect<wire::Notice>("c");
    CHECK(told.job == job);
    CHECK(told.text == "gatherer G stores nothing at present: the disk is full; make room");
    CHECK(notice() == told.text);
    stage.say("g", wire::Heartbeat{.trouble = "the disk is full; make room"});
    stage.nothing_left();  // once
    stage.say("g", wire::Heartbeat{});
    CHECK(stage.expect<wire::Notice>("c").text == "gatherer G goes on with it");
    CHECK(notice().empty());
}

TEST_CASE("clients are told of a gatherer that is away for longer than a restart takes") {
    Fleet stage;
    stage.open(1, 1);
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    stage.step(Unroutable{{"g"}});
    for (int second = 0; second < 4; ++second) live(stage);
    stage.nothing_left();
    for (int second = 0; second < 3; ++second) live(stage);
    CHECK(stage.expect<wire::Notice>("c").text == "gatherer G is away; it is waited for");
    stage.gatherer("g2", 1);
    CHECK(stage.expect<wire::Notice>("c").text == "gatherer G goes on with it");
}

TEST_CASE("a worker that can't reach a job's gatherer gets no more work of it, and all say so") {
    Stage stage;
    stage.client("c");
    stage.gatherer("g");
    stage.worker("walled");
    stage.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
    const wire::Heartbeat walled{
        .unreached = {{.gatherer = "G", .endpoint = "tcp://10.0.0.1:7421", .since = 3s}}};
    stage.say("walled", walled);
    const JobId job = stage.open(1, 1);
    stage.nothing_left();  // it waits for a worker that can
    stage.worker("w");
    CHECK(stage.expect<wire::Dispatch>("w").job == job);
    stage.say("c", wire::Query{.number = 1});
    CHECK(says(stage.expect<wire::Report>("c").jobs.at(0).notice,
               "1 of the workers can't reach gatherer G"));
    stage.say("c", wire::Query{.number = 2, .topic = wire::Topic::workers});
    auto workers = stage.expect<wire::Report>("c").workers;
    REQUIRE(workers.size() == 2);
    CHECK(workers.at(1).unreached == walled.unreached);
    // A wall that comes while the job runs is told; when it is gone there is work again.
    stage.say("walled", wire::Heartbeat{});
    stage.say("walled", walled);
    CHECK(
        says(stage.expect<wire::Notice>("c").text, "worker walled can't reach gatherer G at tcp"));
    const JobId other = stage.open(2, 1);
    stage.say("walled", wire::Heartbeat{});
    CHECK(stage.expect<wire::Dispatch>("walled").job == other);
}

TEST_CASE("a job that waits at a wall keeps no other job of its turn waiting") {
    Stage stage;
    stage.client("c");
    stage.gatherer("g");
    stage.say("h", wire::Hello{.role = wire::Role::gatherer,
                               .name = "H",
                               .epoch = {0, 2},
                               .gatherer = {.name = "H", .epoch = {0, 2}}});
    stage.worker("walled");
    stage.ignore<wire::Accepted, wire::Assign, wire::Sealed, wire::Welcome>();
    const wire::Heartbeat walled{
        .unreached = {{.gatherer = "G", .endpoint = "tcp://10.0.0.1:7421", .since = 3s}}};
    stage.say("walled", walled);
    const JobId waiting = stage.open(1, 1);
    auto spec = Stage::spec();
    spec.preferred_gatherer = "H";
    const JobId other = stage.open(2, 1, spec);
    CHECK(stage.expect<wire::Dispatch>("walled").job == other);
    stage.done("walled", other, {0, 1});
    stage.nothing_left();
    stage.say("walled", wire::Heartbeat{.handled = 1, .kept = {{other, {{0, 1}}}}});
    CHECK(stage.expect<wire::Dispatch>("walled").job == waiting);
}
