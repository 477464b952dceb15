#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {
const std::string key_of_ada(40, 'a');
const std::string key_of_bob(40, 'b');
const Sender ada{"ada", {1}, key_of_ada};
const Sender bob{"bob", {1}, key_of_bob};
const Sender root{"root", {8}, std::string(40, 'r')};

void collect(Stage& stage, const std::string& peer, const Sender& sender) {
    stage.step(Received{.from = {peer},
                        .message = wire::Collect{.job = stage.job, .credit = 1 << 20},
                        .body = {},
                        .sender = sender});
}
void acknowledge(Stage& stage, const std::string& peer, const Sender& sender) {
    stage.step(Received{.from = {peer},
                        .message = wire::Acknowledge{.job = stage.job, .position = 1},
                        .body = {},
                        .sender = sender});
}
void assign_to(Stage& stage, const std::string& user, std::optional<std::uint64_t> total = {}) {
    stage.say(wire::Assign{
        .job = stage.job, .assignment = 1, .spec = {}, .total = total, .round = 0, .user = user});
}
void warned_of_denial(Stage& stage, const std::string& detail) {
    Note note = stage.warned();
    CHECK(note.what == std::string("denied"));
    CHECK(note.detail.find(detail) != std::string::npos);
}
}  // namespace

TEST_SUITE_BEGIN("gatherer");

TEST_CASE("a job's results are for its own user and for administrators") {
    Stage stage;
    assign_to(stage, "ada");
    stage.results({0, 2});
    stage.later(2ms);
    stage.gathered();
    collect(stage, "c1", ada);
    CHECK(stage.values_to("c1") == Range{0, 2});
    collect(stage, "c2", root);
    CHECK(stage.values_to("c2") == Range{0, 2});

    // Another's is answered as a job that nobody knows: as late, and with the same words.
    Time asked = stage.now;
    collect(stage, "c3", bob);
    warned_of_denial(stage, "Collect of another's job, by user bob (submit)");
    CHECK(stage.core.denied() == 1);
    JobId known = std::exchange(stage.job, job_number(9));
    collect(stage, "c4", bob);
    stage.later(gatherer::limits::early_patience + 1s);
    CHECK(stage.now - asked >= gatherer::limits::early_patience);
    auto text_without_id = [](const wire::Refused& refused) {
        CHECK(refused.code == wire::RefusalCode::unknown_job);
        std::string text = refused.text;
        return text.erase(text.find(to_string(*refused.job)), 36);
    };
    CHECK(text_without_id(stage.expect<wire::Refused>("c3")) ==
          text_without_id(stage.expect<wire::Refused>("c4")));
    stage.job = known;
}

TEST_CASE("who asked before the job was known is judged when it is") {
    Stage stage;
    collect(stage, "c1", bob);
    collect(stage, "c2", ada);
    assign_to(stage, "ada");
    stage.results({0, 1});
    CHECK(stage.values_to("c2") == Range{0, 1});
    stage.later(2ms);
    stage.gathered();
    stage.later(gatherer::limits::early_patience);
    CHECK(stage.expect<wire::Refused>("c1").code == wire::RefusalCode::unknown_job);
}

TEST_CASE("a collector's acknowledgements are its own") {
    Stage stage;
    assign_to(stage, "ada");
    stage.results({0, 1});
    stage.later(2ms);
    stage.gathered();
    collect(stage, "c1", ada);
    stage.values_to("c1");
    acknowledge(stage, "c1", bob);
    warned_of_denial(stage, "Acknowledge of another's collector");
    acknowledge(stage, "c1", ada);
}

TEST_CASE("a collector whose key is not let in any more hears nothing more") {
    Stage stage;
    stage.say(wire::AllowedKeys{{{key_of_ada, "ada", 1}, {key_of_bob, "bob", 1}}});
    assign_to(stage, "ada");
    collect(stage, "c1", ada);
    stage.results({0, 1});
    stage.values_to("c1");
    stage.later(2ms);
    stage.gathered();
    stage.say(wire::AllowedKeys{{{key_of_bob, "bob", 1}}});
    stage.results({1, 2});
    stage.later(2ms);
    stage.gathered();
    collect(stage, "c1", ada);
    warned_of_denial(stage, "Collect of another's job");
}

TEST_CASE("what the gatekeeper denies is counted, and noted now and then") {
    Stage stage;
    Denied denied{.from = {"c1"}, .sender = {"node", {2}, key_of_bob}, .what = "Collect"};
    stage.step(denied);
    warned_of_denial(stage, "Collect, by user node (work); 1 so far");
    CHECK(stage.expect<wire::Refused>("c1").code == wire::RefusalCode::not_allowed);
    for (int i = 0; i < 10; ++i) {
        stage.step(denied);
        CHECK(stage.expect<wire::Refused>("c1").text.find(
                  "user node may not send Collect; its roles: work") == 0);
    }
    CHECK(stage.core.denied() == 11);
    stage.later(1s);
    stage.step(denied);
    warned_of_denial(stage, "Collect, by user node (work); 12 so far");
    stage.expect<wire::Refused>("c1");
    stage.later(1s);
    stage.step(Denied{.from = {}, .sender = {"", {0}, key_of_bob}, .what = "Results"});
    warned_of_denial(stage, "Results, by key " + key_of_bob + ", which is not let in");
}

TEST_CASE("whose a job is outlives the process") {
    Stage first(Stage::durable_with(1 << 30));
    assign_to(first, "ada");
    Core second(Stage::durable_with(1 << 30));
    for (const auto& [where, row] : first.rows) second.restore(row);
    REQUIRE(second.unreadable_rows() == 0);
    std::vector<Action> actions;
    second.step(
        first.now,
        Received{
            .from = {"c1"}, .message = wire::Collect{.job = first.job}, .body = {}, .sender = bob},
        actions);
    CHECK(second.denied() == 1);
    second.step(
        first.now,
        Received{
            .from = {"c2"}, .message = wire::Collect{.job = first.job}, .body = {}, .sender = ada},
        actions);
    CHECK(second.denied() == 1);
}

TEST_CASE("whose a job is comes from the broker again when its own row can't be read") {
    Stage first(Stage::durable_with(1 << 30));
    assign_to(first, "ada");
    Core second(Stage::durable_with(1 << 30));
    for (auto& [where, row] : first.rows) {
        if (row.kind == static_cast<std::uint8_t>(Row::job)) row.data = "x";
        second.restore(row);
    }
    REQUIRE(second.unreadable_rows() == 1);
    std::vector<Action> actions;
    auto refused = [&](Event event) {
        actions.clear();
        second.step(first.now, std::move(event), actions);
        second.check_invariants();
        std::vector<std::string> peers;
        for (const Action& action : actions)
            if (auto* send = std::get_if<Send>(&action))
                if (std::get<wire::Refused>(send->message).code == wire::RefusalCode::conflict)
                    peers.push_back(send->to.bytes);
        return peers;
    };
    auto collect = [&](const std::string& peer, const Sender& sender) {
        return Received{.from = {peer},
                        .message = wire::Collect{.job = first.job, .credit = 1 << 20},
                        .body = {},
                        .sender = sender};
    };
    using Peers = std::vector<std::string>;
    CHECK(refused(collect("early", ada)) == Peers{});
    CHECK(refused(FromBroker{wire::Assign{.job = first.job, .assignment = 1, .user = "ada"}, {}}) ==
          Peers{"early"});
    CHECK(refused(collect("later", ada)) == Peers{"later"});
    CHECK(refused(collect("another's", bob)) == Peers{});
}
