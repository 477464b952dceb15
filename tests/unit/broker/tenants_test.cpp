// Whose jobs are whose: what another user is answered, what an administrator sees, and keys that
// are let in no more.
#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE(
    "another user's job is answered as one that does not exist; the log and a counter know "
    "better") {
    Tenants<Stage> stage;
    JobId job = stage.opened(1, "a", ada);
    CHECK(stage.core->jobs().at(job).user == "ada");
    bool running = true;
    SUBCASE("it runs") {}
    SUBCASE("it has ended") {
        running = false;
        stage.ended(job);
    }
    JobId unknown = job_number(99);
    std::uint64_t denied = stage.core->denied();
    auto same = [&](const char* name, wire::Message about_it, wire::Message about_none) {
        CAPTURE(name);
        stage.now += 2s;
        auto refused = stage.ask<wire::Refused>("b", std::move(about_it));
        CHECK(stage.core->denied() == ++denied);
        CHECK(stage.was_denied(std::string(name) + " of a job of user ada, by user bob"));
        auto none = stage.ask<wire::Refused>("b", std::move(about_none));
        CHECK(stage.core->denied() == denied);
        CHECK(refused.code == wire::RefusalCode::unknown_job);
        CHECK(none.code == refused.code);
        CHECK(refused.text == "there is no job " + to_string(job));
        CHECK(none.text == "there is no job " + to_string(unknown));
        CHECK(refused.job == job);
    };
    same("Watch", wire::Watch{job}, wire::Watch{unknown});
    same("Cancel", wire::Cancel{.job = job}, wire::Cancel{.job = unknown});
    same("Retry", wire::Retry{job}, wire::Retry{unknown});
    same("Adjust", wire::Adjust{.job = job, .priority = 1},
         wire::Adjust{.job = unknown, .priority = 1});
    stage.now += 2s;
    CHECK(stage.ask<wire::Forgotten>("b", wire::Forget{job}).job ==
          job);  // as it is said of any that is not there
    CHECK(stage.core->denied() == ++denied);
    REQUIRE(stage.core->jobs().contains(job));
    CHECK(stage.core->jobs().at(job).running() == running);
    CHECK(stage.core->jobs().at(job).standing->share.priority == 0);
}

TEST_CASE("a submitter's own jobs are listed, an administrator's list has all") {
    Tenants<Stage> stage;
    JobId first = stage.opened(1, "a", ada);
    stage.now += 1s;
    JobId second = stage.opened(2, "b", bob);
    CHECK(stage.list("a") == std::vector<JobId>{first});
    CHECK(stage.list("a", "last") == std::vector<JobId>{first});
    CHECK(stage.list("a", to_string(second)).empty());
    CHECK(stage.list("b") == std::vector<JobId>{second});
    CHECK(stage.list("r") == std::vector<JobId>{first, second});
    auto report = stage.ask<wire::Report>("r", wire::Query{.number = 2});
    CHECK(report.jobs.at(0).user == "ada");
    CHECK(report.jobs.at(1).user == "bob");
    CHECK(stage.ask<wire::Report>("b", wire::Query{.number = 3, .topic = wire::Topic::workers})
              .workers.size() == 1);
    CHECK(stage.core->denied() == 0);
    stage.skip("r");
    stage.say("r", wire::Watch{first});
    CHECK(stage.expect<wire::Located>("r").job == first);
    stage.say("r", wire::Cancel{.job = first, .reason = "by the administrator"});
    CHECK(stage.expect<wire::Ended>("r").outcome == wire::Outcome::cancelled);
}

TEST_CASE("a worker's name keeps only its own user's out") {
    Tenants<Stage> stage;
    const Sender eve{.user = "eve", .roles = works, .public_key = "key of eve"};
    stage.step(keys({ada, bob, root, hall, mill, eve}));
    stage.senders[{"x"}] = eve;
    stage.senders[{"y"}] = mill;
    wire::Hello hello{.role = wire::Role::worker, .name = "w", .epoch = {0, 9}, .slots = 1};
    stage.say("x", hello);
    CHECK(stage.core->sessions().contains({"x"}));
    stage.say("y", hello);
    CHECK_FALSE(stage.core->sessions().contains({"y"}));
    CHECK(stage.core->sessions().contains({"w"}));
}

TEST_CASE("keys are per user") {
    Tenants<Stage> stage;
    JobId first = stage.opened(1, "a", ada, "nightly");
    CHECK_FALSE(
        stage.ask<wire::Found>("b", wire::Find{.number = 1, .key = "nightly", .token = 9}).job);
    JobId second = stage.opened(2, "b", bob, "nightly");
    CHECK(stage.core->jobs().contains(second));
    CHECK(stage.ask<wire::Found>("a", wire::Find{.number = 1, .key = "nightly", .token = 1}).job ==
          first);
    CHECK(stage.ask<wire::Found>("b", wire::Find{.number = 1, .key = "nightly", .token = 1}).job ==
          second);
    CHECK_FALSE(
        stage.ask<wire::Found>("r", wire::Find{.number = 1, .key = "nightly", .token = 1}).job);
    stage.ended(first);
    CHECK(stage.ask<wire::Forgotten>("a", wire::Forget{first}).job == first);
    CHECK(stage.ask<wire::Found>("b", wire::Find{.number = 2, .key = "nightly", .token = 1}).job ==
          second);
}

TEST_CASE("blocks, seals and connections of another user touch nothing") {
    Tenants<Stage> stage;
    wire::Block first = stage.first(1, "a");
    stage.block(first, Slice::copy("\x07"), ada);
    JobId job = first.job;
    const Job& known = stage.core->jobs().at(job);
    stage.skip();
    SUBCASE("a block") {
        wire::Block second{.job = job, .token = 1, .first = 1, .count = 1, .stride = 1};
        stage.block(second, Slice::copy("\x08"), bob);
        CHECK(stage.was_denied("Block"));
        CHECK(known.books.next() == 1);
        stage.block(second, Slice::copy("\x08"), ada);
        CHECK(known.books.next() == 2);
    }
    SUBCASE("a seal") {
        stage.say("b", wire::Seal{.job = job, .token = 1, .total = 1});
        CHECK(stage.was_denied("Seal"));
        CHECK_FALSE(known.total());
        stage.say("a", wire::Seal{.job = job, .token = 1, .total = 1});
        CHECK(known.total() == 1);
    }
    SUBCASE("a job in the name of a client that is another's") {
        stage.block(stage.first(2, "a"), Slice::copy("\x07"), bob);
        CHECK(stage.was_denied("Block for a client of another user"));
        CHECK_FALSE(stage.core->jobs().contains(job_number(2)));
    }
    SUBCASE("the same, before that client has said Hello") {
        stage.senders[{"later"}] = ada;
        stage.block(stage.first(2, "later"), Slice::copy("\x07"), bob);
        stage.skip();
        stage.client("later", 9);
        CHECK(stage.core->jobs().at(job_number(2)).client->peer.bytes.empty());
        stage.pass(20s);
        CHECK_FALSE(stage.core->jobs().at(job_number(2)).running());
    }
    SUBCASE("the life of a client, as another user says it") {
        stage.senders[{"b2"}] = bob;
        stage.client("b2", 1);
        CHECK(known.client->peer == PeerId{"a"});
    }
    SUBCASE("a connection's name") {
        stage.step(Received{{"a"}, wire::Cancel{.job = job}, {}, bob});
        CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::not_allowed);
        CHECK(stage.was_denied("Cancel"));
        stage.step(Received{{"a"}, wire::Hello{.name = "B", .epoch = {0, 1}}, {}, bob});
        CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::not_allowed);
        CHECK(known.running());
    }
    if (known.running()) CHECK(stage.expect_all<wire::Ended>("a").empty());
}

TEST_CASE("what a role does not allow is refused, counted, and said once a second") {
    Tenants<Stage> stage;
    stage.now += 1s;
    stage.step(Denied{{"w"}, mill, "Cancel"});
    auto refused = stage.expect<wire::Refused>("w");
    CHECK(refused.code == wire::RefusalCode::not_allowed);
    CHECK(refused.text.find("user mill may not send Cancel; the roles of its key: work") == 0);
    CHECK(stage.was_denied("Cancel, by user mill; 1 so far"));
    stage.step(Denied{{}, mill, "Block"});  // from a socket that has no answers
    CHECK_FALSE(stage.was_denied("Block"));
    stage.step(Denied{{"b"}, bob, "Done"});
    CHECK(stage.was_denied("Done, by user bob"));  // whom another's flood does not hide
    stage.now += 1s;
    stage.step(Denied{{"w"}, mill, "Query"});
    CHECK(stage.was_denied("Query, by user mill; 3 so far"));
    CHECK(stage.core->denied() == 4);
    stage.skip("w");
    stage.say("w", wire::Seal{});  // by the kind of its session
    CHECK(stage.expect<wire::Refused>("w").text == "a worker may not send Seal");
    CHECK(stage.core->denied() == 5);
}

TEST_CASE(
    "gatherers: the key that is told is the one that was proved, and each is told who is let in") {
    Tenants<Stage> stage;
    CHECK(stage.expect<wire::AllowedKeys>("g").keys.size() == 5);
    JobId job = stage.opened(1, "a", ada);
    auto assign = stage.expect<wire::Assign>("g");
    CHECK(assign.job == job);
    CHECK(assign.user == "ada");
    CHECK(stage.expect<wire::Dispatch>("w").brief->gatherer.public_key == "key of hall");
    CHECK(stage.ask<wire::Report>("a", wire::Query{.topic = wire::Topic::gatherers})
              .gatherers.at(0)
              .public_key == "key of hall");
    CHECK(stage.ask<wire::Located>("a", wire::Watch{job}).gatherer.public_key == "key of hall");
    stage.senders[{"later"}] = bob;
    stage.say("later", wire::Hello{.name = "L", .epoch = {0, 4}});
    CHECK(stage.expect<wire::Welcome>("later").gatherers.at(0).public_key == "key of hall");
    stage.skip();
    stage.step(keys({ada, hall, mill}));
    CHECK(stage.expect<wire::AllowedKeys>("g").keys.size() == 3);
}

TEST_CASE("a gatherer's name is its user's") {
    Tenants<Stage> stage;
    Sender other{.user = "other", .roles = gathers, .public_key = "key of other"};
    stage.step(keys({ada, bob, root, hall, mill, other}));
    stage.opened(1, "a", ada);
    stage.senders[{"g2"}] = other;
    wire::Hello hello{.role = wire::Role::gatherer,
                      .name = "G",
                      .epoch = {0, 2},
                      .gatherer = {.name = "G", .epoch = {0, 2}}};
    SUBCASE("while it is connected") {}
    SUBCASE("while jobs wait for it") { stage.step(Unroutable{{"g"}}); }
    stage.say("g2", hello);
    CHECK(stage.expect<wire::Refused>("g2").text.find("choose another with --name") !=
          std::string::npos);
    CHECK_FALSE(stage.core->sessions().contains({"g2"}));
    stage.step(Unroutable{{"g"}});
    stage.senders[{"g3"}] = hall;
    stage.say("g3", hello);
    stage.expect<wire::Welcome>("g3");
    stage.skip<wire::Mark>("g3");
    CHECK(stage.core->jobs().at(job_number(1)).assignment->gatherer == PeerId{"g3"});
}

TEST_CASE("a key that is let in no more loses its sessions at once") {
    Tenants<Stage> stage;
    JobId job = stage.opened(1, "a", ada);
    stage.expect<wire::Dispatch>("w");
    stage.skip();
    SUBCASE("a worker's: its loans go back") {
        stage.step(keys({ada, bob, root, hall}));
        CHECK(stage.expect<wire::Refused>("w").code == wire::RefusalCode::not_allowed);
        CHECK_FALSE(stage.core->sessions().contains({"w"}));
        CHECK(stage.core->jobs().at(job).books.queue().size() == 1);
        CHECK(std::ranges::any_of(stage.notes, [](const Note& note) {
            return note.detail == "its key is no longer let in";
        }));
    }
    SUBCASE("one that is let in without its role") {
        Sender mill_submits = mill;
        mill_submits.roles = submits;
        stage.step(keys({ada, bob, root, hall, mill_submits}));
        CHECK_FALSE(stage.core->sessions().contains({"w"}));
    }
    SUBCASE("one that is another user's now") {
        Sender taken = mill;
        taken.user = "ada";
        stage.step(keys({ada, bob, root, hall, taken}));
        CHECK_FALSE(stage.core->sessions().contains({"w"}));
    }
    SUBCASE("a submitter's: what it submitted goes on") {
        stage.step(keys({bob, root, hall, mill}));
        CHECK_FALSE(stage.core->sessions().contains({"a"}));
        CHECK(stage.core->jobs().at(job).running());
        CHECK(stage.core->sessions().size() == 4);
    }
    SUBCASE("nobody's") {
        stage.step(keys({mill, hall, root, bob, ada}));
        CHECK(stage.core->sessions().size() == 5);
    }
}

TEST_CASE("a gatherer's key that is let in no more: workers and clients leave it at once") {
    Tenants<Stage> stage;
    stage.say("g", wire::Bye{});
    auto join = [&](const char* peer, std::uint64_t life, const Sender& sender) {
        stage.senders[{peer}] = sender;
        wire::GathererRef self{.name = "G",
                               .epoch = {0, life},
                               .results = {"tcp://127.0.0.1:1"},
                               .collect = {"tcp://127.0.0.1:2"}};
        stage.say(
            peer,
            wire::Hello{
                .role = wire::Role::gatherer, .name = "G", .epoch = self.epoch, .gatherer = self});
        stage.expect<wire::Welcome>(peer);
        stage.skip<wire::Mark>(peer);
    };
    join("g2", 2, hall);
    JobId job = stage.opened(1, "a", ada);
    JobId past = stage.opened(2, "b", bob);
    CHECK(stage.expect<wire::Dispatch>("w").brief->gatherer.public_key == "key of hall");
    stage.ended(past);
    stage.say("r", wire::Watch{job});
    stage.skip();

    auto nowhere = [](const wire::GathererRef& gatherer) {
        return gatherer.name == "G" && gatherer.results.empty() && gatherer.collect.empty() &&
               gatherer.public_key.empty();
    };
    stage.step(keys({ada, bob, root, mill}));
    auto again = stage.expect<wire::SendAgain>("w");
    CHECK(again.job == job);
    CHECK(nowhere(again.gatherer));
    CHECK(nowhere(stage.expect<wire::Located>("a").gatherer));
    CHECK(nowhere(stage.expect<wire::Located>("r").gatherer));  // who only watches it
    auto located = stage.expect<wire::Located>("b");            // and a job that has ended
    CHECK(located.job == past);
    CHECK(nowhere(located.gatherer));
    stage.step(keys({ada, bob, root, mill}));
    CHECK(stage.expect_all<wire::Located>("a").empty());  // it is no news

    // With another key of its user it has the job again.
    Sender fresh = hall;
    fresh.public_key = "fresh key of hall";
    stage.step(keys({ada, bob, root, mill, fresh}));
    stage.skip();
    join("g3", 3, fresh);
    CHECK(stage.expect<wire::SendAgain>("w").gatherer.public_key == "fresh key of hall");
    CHECK(stage.expect<wire::Located>("a").gatherer.public_key == "fresh key of hall");
}

TEST_CASE("whose a job is survives the broker") {
    Tenants<Durable> stage;
    JobId first = stage.opened(1, "a", ada, "nightly"),
          second = stage.opened(2, "b", bob, "nightly");
    bool ended = false;
    SUBCASE("while they run") {}
    SUBCASE("when they have ended") {
        stage.ended(first);
        stage.ended(second);
        ended = true;
    }
    stage.restart();
    stage.step(keys({ada, bob, root, hall, mill}));
    stage.join();
    CHECK(stage.job(first).user == "ada");
    CHECK(stage.list("b") == std::vector<JobId>{second});
    CHECK(stage.list("r").size() == 2);
    CHECK(stage.ask<wire::Found>("a", wire::Find{.number = 1, .key = "nightly", .token = 1}).job ==
          first);
    CHECK(stage.ask<wire::Refused>("b", wire::Watch{first}).code == wire::RefusalCode::unknown_job);
    if (ended) return;
    CHECK(stage.expect<wire::AllowedKeys>("g").keys.size() == 5);
    auto assigned = stage.expect_all<wire::Assign>("g");
    REQUIRE(assigned.size() == 2);
    CHECK(assigned[0].user == "ada");
    CHECK(assigned[1].user == "bob");
}

TEST_CASE("without keys everybody is the same user, who sees all") {
    Fleet fleet;
    fleet.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended,
                 wire::Sealed>();
    JobId job = fleet.open(1, 1);
    fleet.client("d", 6);
    fleet.say("d", wire::Watch{job});
    CHECK(fleet.expect<wire::Located>("d").gatherer.public_key.empty());
    CHECK(fleet.expect_all<wire::AllowedKeys>("g").empty());
    fleet.say("d", wire::Cancel{.job = job});
    CHECK(fleet.core->jobs().at(job).user.empty());
    CHECK_FALSE(fleet.core->jobs().at(job).running());
    CHECK(fleet.core->denied() == 0);
}
