// Messages that come late or again.
#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("a message that comes late or again does nothing, is counted and logged") {
    Tenants<Durable> stage;
    JobId job = stage.opened(1, "a", ada);
    stage.expect<wire::Dispatch>("w");
    const Job& known = stage.job(job);
    stage.skip();
    std::uint64_t stale = stage.core->conduct().stale();
    auto passed_over = [&](const char* what) {
        CAPTURE(what);
        CHECK(stage.core->conduct().stale() == stale + 1);
        CHECK(std::ranges::any_of(stage.notes, [&](const Note& note) {
            return note.what == std::string("passed over what is stale") &&
                   note.detail.starts_with(what);
        }));
    };
    stage.now += 2s;
    SUBCASE("Done in a session that is over") {
        stage.senders[{"w2"}] = mill;
        stage.worker("w2", 1, 1, "w");  // the same life, another connection
        CHECK_FALSE(stage.core->sessions().contains({"w"}));
        stage.now += 2s;
        stage.done("w", job, {0, 1});
        passed_over("Done without a session");
        CHECK(stage.expect<wire::Refused>("w").code == wire::RefusalCode::unknown_session);
        CHECK(known.books.loans().first().size() == 1);
    }
    SUBCASE("Done with an earlier attempt") {
        stage.failed("w", job, 0, 7);
        passed_over("Done with an attempt that is not on loan");
        CHECK(known.books.settled().failed().size() == 0);
    }
    SUBCASE("Block again") {
        wire::Block again = stage.first(1, "a");
        again.total = 1;
        stage.block(again, Slice::copy("\x07"), ada);
        passed_over("Block again");
        CHECK(known.books.next() == 1);
        CHECK(known.books.loans().first().size() == 1);
    }
    SUBCASE("Block with another token") {
        wire::Block other{.job = job, .token = 2, .first = 1, .count = 1, .stride = 1};
        stage.block(other, Slice::copy("\x07"), ada);
        passed_over("Block with another token");
    }
    SUBCASE("Seal with another token") {
        stage.say("a", wire::Seal{.job = job, .token = 2, .total = 1});
        passed_over("Seal with another token");
    }
    SUBCASE("Propose of an old assignment") {
        stage.say("g",
                  wire::Propose{.job = job, .assignment = 0, .outcome = wire::Outcome::failed});
        passed_over("Propose of another assignment");
        CHECK(known.running());
    }
    SUBCASE("Gathered of an old round") {
        stage.say("r", wire::Cancel{.job = job});
        stage.say("a", wire::Retry{job});
        REQUIRE(known.life->round == 1);
        stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}, .round = 0});
        passed_over("Gathered of another round");
        CHECK(known.books.settled().safe().size() == 0);
    }
    SUBCASE("Hello of an earlier life of a gatherer") {
        auto hello = [](std::uint64_t life) {
            return wire::Hello{.role = wire::Role::gatherer,
                               .name = "G",
                               .epoch = {life, life},
                               .gatherer = {.name = "G", .epoch = {life, life}}};
        };
        stage.senders[{"g2"}] = hall;
        stage.senders[{"g1"}] = hall;
        stage.step(Unroutable{{"g"}});
        stage.say("g2", hello(2));
        stage.expect<wire::Welcome>("g2");
        stage.skip<wire::Mark>("g2");
        stage.say("g1", hello(1));
        passed_over("Hello of an earlier life of gatherer G");
        CHECK(stage.expect<wire::Refused>("g1").code == wire::RefusalCode::conflict);
        CHECK(stage.core->sessions().contains({"g2"}));
    }
    SUBCASE("the first block of a job that is being forgotten") {
        stage.say("r", wire::Cancel{.job = job});
        stage.say("a", wire::Forget{job});
        wire::Block again = stage.first(1, "a");
        stage.block(again, Slice::copy("\x07"), ada);
        passed_over("Block of a job that is forgotten");
        CHECK_FALSE(stage.core->jobs().contains(job));
    }
}

TEST_CASE("Hello again on a known connection changes nothing") {
    Tenants<Stage> stage;
    stage.say("w", wire::Hello{.role = wire::Role::client, .name = "another", .epoch = {0, 99}});
    CHECK(stage.core->sessions().at({"w"}).role == wire::Role::worker);
    CHECK(stage.core->sessions().at({"w"}).name == "w");
}
