// Peers that talk nonsense to the broker: counted, cut off for a while, and nobody else the worse
// for it.
#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {

Sender with_key(const char* user, const char* key) { return {.user = user, .public_key = key}; }

/// As many messages of nonsense as are still heard.
void talk_nonsense(Stage& stage, PeerId from, const Sender& sender = {}) {
    for (std::uint32_t i = 0; i < broker::limits::misbehaviour_strikes; ++i)
        stage.step(Garbled{from, "no message", sender});
}

}  // namespace

TEST_CASE("a worker that talks nonsense is cut off, and its loans go to another at once") {
    Fleet fleet;
    JobId job = fleet.open(1, 1);
    fleet.expect<wire::Dispatch>("w");
    fleet.worker("v");
    for (std::uint32_t i = 1; i < broker::limits::misbehaviour_strikes; ++i)
        fleet.step(Garbled{{"w"}, "no message"});
    CHECK(fleet.core->sessions().contains({"w"}));
    CHECK(fleet.expect_all<wire::Dispatch>("v").empty());
    fleet.step(Garbled{{"w"}, "no message"});
    CHECK_FALSE(fleet.core->sessions().contains({"w"}));
    auto refused = fleet.expect<wire::Refused>("w");
    CHECK(refused.code == wire::RefusalCode::not_allowed);
    CHECK(refused.text ==
          "cut off for 60 s: 100 messages within 60 s were none, or none that it may send");
    CHECK(fleet.expect<wire::Dispatch>("v").job == job);
    CHECK(fleet.core->conduct().misbehaviour().counted() == broker::limits::misbehaviour_strikes);

    // What it says is ignored for a while, whatever it is, and not answered.
    fleet.say("w", wire::Hello{.role = wire::Role::worker, .name = "w", .functions = {"f"}});
    fleet.say("w", wire::Done{.runs = {{job, {0, 1}, 1ms}}});
    fleet.step(Garbled{{"w"}, "no message"});
    CHECK(fleet.silent("w"));
    CHECK(fleet.core->conduct().misbehaviour().counted() == broker::limits::misbehaviour_strikes);
    fleet.now += broker::limits::cut_off_time;
    fleet.worker("w");
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE(
    "a fragment that a peer had when it was cut off is no suspect: it did not crash anybody") {
    Fleet fleet;
    fleet.open(1, 2);
    fleet.expect<wire::Dispatch>("w");
    talk_nonsense(fleet, {"w"});
    fleet.worker("v", 2);
    for (const auto& dispatch : fleet.expect_all<wire::Dispatch>("v")) CHECK(dispatch.attempt <= 2);
    for (const auto& [peer, session] : fleet.core->sessions())
        for (const auto& [key, chunk] : session.load->lent) CHECK_FALSE(chunk.alone);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Notice, wire::Refused, wire::Sealed>();
}

TEST_CASE(
    "with a key, all the connections of it are cut off, and what it pushes is ignored; another "
    "key's are not") {
    Stage stage;
    Sender mallory = with_key("mallory", "the key of mallory");
    Sender ada = with_key("ada", "the key of ada");
    auto join = [&](const char* peer, wire::Role role, const Sender& sender) {
        stage.step(
            Received{{peer},
                     wire::Hello{.role = role, .name = peer, .epoch = {0, 1}, .functions = {"f"}},
                     {},
                     sender});
        stage.expect<wire::Welcome>(peer);
    };
    join("w", wire::Role::worker, mallory);
    join("c", wire::Role::client, mallory);
    join("v", wire::Role::worker, ada);
    talk_nonsense(stage, {}, mallory);  // at the blocks' socket
    for (const char* peer : {"w", "c"}) {
        CHECK(stage.expect<wire::Refused>(peer).text.starts_with("cut off for 60 s"));
        CHECK_FALSE(stage.core->sessions().contains({peer}));
    }
    CHECK(stage.core->sessions().contains({"v"}));
    wire::Block block{.job = job_number(1), .token = 1, .spec = Stage::spec()};
    stage.step(Pulled{block, {}, mallory});
    CHECK(stage.core->jobs().empty());
    stage.step(Received{{"another"}, wire::Hello{}, {}, mallory});
    CHECK(stage.silent("another"));
    stage.step(Received{{"v"}, wire::Heartbeat{}, {}, ada});
}

TEST_CASE("nonsense from nobody in particular is counted, and nobody is cut off for it") {
    Fleet fleet;
    for (int i = 0; i < 10; ++i) talk_nonsense(fleet, {});
    for (std::uint32_t i = 0; i < broker::limits::misbehaviour_strikes; ++i)
        fleet.block({.job = job_number(9)});
    CHECK(fleet.core->conduct().misbehaviour().counted() ==
          10 * broker::limits::misbehaviour_strikes);
    CHECK(fleet.core->sessions().size() == 3);
    fleet.skip<wire::Refused>("c");
    JobId job = fleet.open(1, 1);
    CHECK(fleet.expect<wire::Dispatch>("w").job == job);
    fleet.ignore<wire::Accepted, wire::Assign, wire::Sealed>();
}

TEST_CASE(
    "messages of another role count as nonsense; questions that are refused for what they ask do "
    "not") {
    Fleet fleet;
    for (std::uint32_t i = 0; i < 2 * broker::limits::misbehaviour_strikes; ++i)
        fleet.say("c", wire::Cancel{.job = job_number(9)});
    CHECK(fleet.core->sessions().contains({"c"}));
    for (std::uint32_t i = 0; i < broker::limits::misbehaviour_strikes; ++i)
        fleet.say("c", wire::Gathered{.job = job_number(9)});
    CHECK_FALSE(fleet.core->sessions().contains({"c"}));
    fleet.ignore<wire::Refused>();
}
