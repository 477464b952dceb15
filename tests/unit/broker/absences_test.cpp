// Workers that are gone and may live: what they ran waits for them or runs again, and nothing of it
// is counted before one of them is known to have ended.
#include <doctest/doctest.h>

#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
/// Workers of one slot that come and go, and one job of a single fragment.
struct Blips : Stage {
    int connections = 0;

    Blips() {
        client("c");
        gatherer("g");
        worker("w");
        ignore<wire::Accepted, wire::Assign, wire::Located, wire::Notice, wire::Sealed>();
    }
    const Books& books(JobId job) { return core->jobs().at(job).books; }
    std::string next_connection() { return "w" + std::to_string(++connections); }
    /// Time in which the worker runs what it was given, and says so.
    void runs(const std::string& peer, JobId job, Duration time) {
        for (; time > Duration(0); time -= 500ms) {
            say(peer.c_str(), wire::Heartbeat{.handled = 1, .held = {{job, {{0, 1}}}}});
            say("c", wire::Heartbeat{});
            say("g", wire::Heartbeat{});
            pass(500ms);
        }
    }
    /// Time in which only the client and the gatherer are heard.
    void silence(Duration time) {
        for (; time > Duration(0); time -= 500ms) {
            say("c", wire::Heartbeat{});
            say("g", wire::Heartbeat{});
            pass(500ms);
        }
    }
    /// The same life over another connection, without its inventory.
    std::string returns(const char* name = "w", std::uint64_t incarnation = 1) {
        std::string peer = next_connection();
        worker(peer.c_str(), 1, incarnation, name);
        return peer;
    }
    bool gets_nothing(const std::string& peer) {
        return expect_all<wire::Dispatch>(peer.c_str()).empty();
    }
};
}  // namespace

TEST_CASE(
    "a worker that is cut off again and again, and lives, is no death: what it runs goes on") {
    Blips stage;
    JobId job = stage.open(1, 1);
    CHECK(stage.expect<wire::Dispatch>("w").attempt == 1);
    std::string peer = "w";
    for (int blip = 0; blip < 8; ++blip) {
        stage.runs(peer, job, 12s);
        if (blip % 2 == 0) stage.step(Unroutable{{peer}});
        stage.silence(7s);
        peer = stage.returns();
        CHECK(stage.gets_nothing(peer));  // not before it has said what it runs
    }
    stage.runs(peer, job, 1s);
    CHECK(stage.gets_nothing(peer));
    CHECK(stage.books(job).loans().first().size() == 1);
    CHECK(stage.books(job).settled().failed().size() == 0);
    stage.done(peer.c_str(), job, {0, 1}, 150s);
    CHECK(stage.books(job).kept().size() == 1);
}

TEST_CASE("what runs long waits for its worker, and then for a slot; what does not runs at once") {
    Blips stage;
    stage.worker("v", 1, 2);
    JobId job = stage.open(1, 1);
    const bool at_w = !stage.gets_nothing("w");
    CHECK(stage.gets_nothing("v") == at_w);
    const std::string first = at_w ? "w" : "v", other = at_w ? "v" : "w";
    auto beat = [&] { stage.say(other.c_str(), wire::Heartbeat{}); };
    SUBCASE("long") {
        for (int i = 0; i < 20; ++i) {
            stage.runs(first, job, 500ms);
            beat();
        }
        stage.step(Unroutable{{first}});
        for (int i = 0; i < 8; ++i) {
            stage.silence(500ms);
            beat();
            CHECK(stage.gets_nothing(other));
        }
        SUBCASE("it comes back in time") {
            std::string peer = stage.returns(first.c_str(), first == "w" ? 1 : 2);
            stage.runs(peer, job, 500ms);
            CHECK(stage.books(job).loans().first().at(0)->worker == PeerId{peer});
            CHECK(stage.gets_nothing(other));
        }
        SUBCASE("it does not, and both run it when it comes after all: the first counts") {
            stage.silence(1500ms);
            beat();
            CHECK(stage.expect<wire::Dispatch>(other.c_str()).attempt == 2);
            std::string peer = stage.returns(first.c_str(), first == "w" ? 1 : 2);
            stage.runs(peer, job, 500ms);
            CHECK(stage.expect_all<wire::Release>(peer.c_str()).empty());
            stage.done(peer.c_str(), job, {0, 1}, 20s);
            stage.pass(100ms);
            CHECK(stage.expect<wire::Release>(other.c_str()).items.at(0).job == job);
        }
    }
    SUBCASE("short") {
        stage.step(Unroutable{{first}});
        CHECK(stage.expect<wire::Dispatch>(other.c_str()).attempt == 2);
    }
}

TEST_CASE("--rerun-after says when what a worker ran is given to another") {
    Blips stage;
    auto spec = Stage::spec();
    Duration patience{};
    SUBCASE("later") {
        spec.rerun = wire::Rerun::after;
        spec.rerun_after = 60s;
        patience = 60s;
    }
    SUBCASE("at once") {
        spec.rerun = wire::Rerun::after;
        patience = 0s;
    }
    SUBCASE("never, unless the worker has ended") {
        spec.rerun = wire::Rerun::never;
        patience = 30min;
    }
    JobId job = stage.open(1, 1, spec);
    stage.expect<wire::Dispatch>("w");
    stage.runs("w", job, 20s);
    stage.step(Unroutable{{"w"}});
    auto v_gets_it = [&] {
        std::string peer = stage.next_connection();
        stage.worker(peer.c_str(), 1, 9, "v");
        bool gets = !stage.gets_nothing(peer);
        if (!gets) stage.say(peer.c_str(), wire::Bye{});
        return gets;
    };
    if (patience > 0s) {
        CHECK_FALSE(v_gets_it());
        stage.silence(patience - 2s);
        CHECK_FALSE(v_gets_it());
    }
    if (patience == 30min) {
        stage.returns("w", 7);  // another life of it
        CHECK(stage.books(job).loans().first().size() == 1);
    } else {
        stage.silence(3s);
        CHECK(v_gets_it());
    }
    stage.ignore<wire::Dispatch>();
}

TEST_CASE(
    "a fragment is counted once its worker is known to have ended, also if it was lost long "
    "before") {
    Blips stage;
    JobId job = stage.open(1, 1);
    std::uint64_t life = 1;
    std::string peer = "w";
    int runs = 0;
    while (stage.books(job).settled().failed().size() == 0 && runs < 10) {
        stage.expect<wire::Dispatch>(peer.c_str());
        ++runs;
        SUBCASE("its connection closes") { stage.step(Unroutable{{peer}}); }
        SUBCASE("it is silent") { stage.silence(20s); }
        SUBCASE("its next life is faster than the news") {
            stage.say("early", wire::Hello{.role = wire::Role::worker,
                                           .name = "w",
                                           .epoch = {0, life + 1},
                                           .slots = 1,
                                           .functions = {"f"}});
            CHECK(stage.silent("early"));  // the name is still the other's
            stage.step(Unroutable{{peer}});
        }
        peer = stage.returns("w", ++life);
    }
    CHECK(runs == 4);  // in the first it is not yet alone by intent
    CHECK(stage.expect<wire::Errors>("g").failures.at(0).kind == wire::FailureKind::crashed);
    stage.ignore<wire::Dispatch>();
}

TEST_CASE(
    "a fragment whose workers vanish for ever is not given to all: to three at a time, and it "
    "ends after six") {
    Blips stage;
    JobId job = stage.open(1, 1);
    stage.expect<wire::Dispatch>("w");
    stage.step(Unroutable{{"w"}});
    int gone = 1;
    auto vanish = [&] {
        std::string peer = stage.next_connection();
        stage.worker(peer.c_str(), 1, static_cast<std::uint64_t>(gone) + 100);
        bool got = !stage.gets_nothing(peer);
        gone += got ? 1 : 0;
        stage.step(got ? Event(Unroutable{{peer}}) : Received{{peer}, wire::Bye{}, {}});
        return got;
    };
    for (int i = 0; i < 20; ++i) vanish();
    CHECK(gone == 4);  // the first was not yet alone by intent
    stage.silence(broker::limits::vanished_after + 1s);
    for (int i = 0; i < 20; ++i) vanish();
    CHECK(gone == 7);
    stage.silence(broker::limits::vanished_after + 1s);
    CHECK(stage.expect<wire::Errors>("g").failures.at(0).message.find("never seen again") !=
          std::string::npos);
    CHECK(stage.books(job).settled().failed().size() == 1);
}

TEST_CASE("a fragment that has killed nearly enough is given to nobody while the last is away") {
    Blips stage;
    JobId job = stage.open(1, 1);
    std::string peer = "w";
    for (std::uint64_t life = 2; life < 5; ++life) {  // the first run is not counted
        stage.expect<wire::Dispatch>(peer.c_str());
        stage.step(Unroutable{{peer}});
        peer = stage.returns("w", life);
    }
    stage.expect<wire::Dispatch>(peer.c_str());
    stage.step(Unroutable{{peer}});
    stage.worker("v", 1, 9);
    CHECK(stage.gets_nothing("v"));
    SUBCASE("it has ended") {
        stage.returns("w", 5);
        CHECK(stage.expect<wire::Errors>("g").failures.at(0).kind == wire::FailureKind::crashed);
    }
    SUBCASE("it lives, and has lost what it ran") {
        peer = stage.returns("w", 4);
        stage.say(peer.c_str(), wire::Heartbeat{.handled = 1});
        CHECK(stage.expect_all<wire::Dispatch>("v").size() +
                  stage.expect_all<wire::Dispatch>(peer.c_str()).size() ==
              1);
    }
    SUBCASE("it is never seen again") {
        stage.say("v", wire::Bye{});
        stage.silence(broker::limits::vanished_after + 1s);
        stage.worker("v", 1, 9);
        stage.expect<wire::Dispatch>("v");
    }
    CHECK(stage.books(job).queue().empty());
}
