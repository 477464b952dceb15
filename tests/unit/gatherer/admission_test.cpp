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

void collect(Bench& bench, const std::string& peer, const Sender& sender) {
    bench.step(Received{.from = {peer},
                        .message = wire::Collect{.job = bench.job, .credit = 1 << 20},
                        .body = {},
                        .sender = sender});
}
void acknowledge(Bench& bench, const std::string& peer, const Sender& sender) {
    bench.step(Received{.from = {peer},
                        .message = wire::Acknowledge{.job = bench.job, .position = 1},
                        .body = {},
                        .sender = sender});
}
void assign_to(Bench& bench, const std::string& user, std::optional<std::uint64_t> total = {}) {
    bench.from_broker(wire::Assign{
        .job = bench.job, .assignment = 1, .spec = {}, .total = total, .round = 0, .user = user});
}
void warned_of_denial(Bench& bench, const std::string& detail) {
    Note note = bench.warned();
    CHECK(note.what == std::string("denied"));
    CHECK(note.detail.find(detail) != std::string::npos);
}
}  // namespace

TEST_SUITE_BEGIN("gatherer");

TEST_CASE("a job's results are for its own user and for administrators") {
    Bench bench;
    assign_to(bench, "ada");
    bench.results({0, 2});
    bench.later(2ms);
    bench.gathered();
    collect(bench, "c1", ada);
    CHECK(bench.values_to("c1") == Range{0, 2});
    collect(bench, "c2", root);
    CHECK(bench.values_to("c2") == Range{0, 2});

    // Another's is answered as a job that nobody knows: as late, and with the same words.
    Time asked = bench.now;
    collect(bench, "c3", bob);
    warned_of_denial(bench, "Collect of another's job, by user bob (submit)");
    CHECK(bench.core.denied() == 1);
    JobId known = std::exchange(bench.job, job_number(9));
    collect(bench, "c4", bob);
    bench.later(gatherer::limits::early_patience + 1s);
    CHECK(bench.now - asked >= gatherer::limits::early_patience);
    auto text_without_id = [](const wire::Refused& refused) {
        CHECK(refused.code == wire::RefusalCode::unknown_job);
        std::string text = refused.text;
        return text.erase(text.find(to_string(*refused.job)), 36);
    };
    CHECK(text_without_id(bench.to<wire::Refused>("c3")) ==
          text_without_id(bench.to<wire::Refused>("c4")));
    bench.job = known;
}

TEST_CASE("who asked before the job was known is judged when it is") {
    Bench bench;
    collect(bench, "c1", bob);
    collect(bench, "c2", ada);
    assign_to(bench, "ada");
    bench.results({0, 1});
    CHECK(bench.values_to("c2") == Range{0, 1});
    bench.later(2ms);
    bench.gathered();
    bench.later(gatherer::limits::early_patience);
    CHECK(bench.to<wire::Refused>("c1").code == wire::RefusalCode::unknown_job);
}

TEST_CASE("a collector's acknowledgements are its own") {
    Bench bench;
    assign_to(bench, "ada");
    bench.results({0, 1});
    bench.later(2ms);
    bench.gathered();
    collect(bench, "c1", ada);
    bench.values_to("c1");
    acknowledge(bench, "c1", bob);
    warned_of_denial(bench, "Acknowledge of another's collector");
    acknowledge(bench, "c1", ada);
}

TEST_CASE("a collector whose key is not let in any more hears nothing more") {
    Bench bench;
    bench.from_broker(wire::AllowedKeys{{{key_of_ada, "ada", 1}, {key_of_bob, "bob", 1}}});
    assign_to(bench, "ada");
    collect(bench, "c1", ada);
    bench.results({0, 1});
    bench.values_to("c1");
    bench.later(2ms);
    bench.gathered();
    bench.from_broker(wire::AllowedKeys{{{key_of_bob, "bob", 1}}});
    bench.results({1, 2});
    bench.later(2ms);
    bench.gathered();
    collect(bench, "c1", ada);
    warned_of_denial(bench, "Collect of another's job");
}

TEST_CASE("what the gatekeeper denies is counted, and noted now and then") {
    Bench bench;
    Denied denied{.from = {"c1"}, .sender = {"node", {2}, key_of_bob}, .what = "Collect"};
    bench.step(denied);
    warned_of_denial(bench, "Collect, by user node (work); 1 so far");
    CHECK(bench.to<wire::Refused>("c1").code == wire::RefusalCode::not_allowed);
    for (int i = 0; i < 10; ++i) {
        bench.step(denied);
        CHECK(bench.to<wire::Refused>("c1").text.find(
                  "user node may not send Collect; its roles: work") == 0);
    }
    CHECK(bench.core.denied() == 11);
    bench.later(1s);
    bench.step(denied);
    warned_of_denial(bench, "Collect, by user node (work); 12 so far");
    bench.to<wire::Refused>("c1");
    bench.later(1s);
    bench.step(Denied{.from = {}, .sender = {"", {0}, key_of_bob}, .what = "Results"});
    warned_of_denial(bench, "Results, by key " + key_of_bob + ", which is not let in");
}

TEST_CASE("whose a job is outlives the process") {
    Bench first(Bench::durable_with(1 << 30));
    assign_to(first, "ada");
    Core second(Bench::durable_with(1 << 30));
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
