#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;

}  // namespace

TEST_SUITE_BEGIN("gatherer");

// --- early arrivals

TEST_CASE("a collector of an unknown job waits for a while, then is refused; so do results") {
    Stage stage;
    stage.collect("c1", ordered);
    stage.results({0, 1});
    stage.later(gatherer::limits::early_patience - 1s);
    stage.collect("c1", ordered);
    CHECK(stage.core.next_wakeup() <= stage.now + 1s);
    stage.later(1s);
    CHECK(stage.expect<wire::Refused>("c1").code == wire::RefusalCode::unknown_job);
    CHECK(stage.warned().what == std::string("results of a job that nobody assigned dropped"));
    stage.assign(1);
    stage.collect("c1", ordered);
}

TEST_CASE("early results are bounded by bytes, early collectors by count") {
    Stage stage;
    std::string big = wire::pack_bytes(std::string(gatherer::limits::early_result_bytes / 2, 'x'));
    stage.raw_results(0, 1, big);
    stage.raw_results(1, 1, big);
    CHECK(stage.warned().what ==
          std::string("no room for results that came before their job, dropped"));
    for (std::size_t i = 0; i < gatherer::limits::early_collects; ++i) {
        stage.job = job_number(static_cast<std::uint8_t>(i % 200));
        std::vector<Action> actions;
        stage.core.step(stage.now,
                        Received{.from = {std::to_string(i)},
                                 .message = wire::Collect{.job = stage.job},
                                 .body = {}},
                        actions);
        REQUIRE(actions.empty());
    }
    stage.core.check_invariants();
    stage.collect("one more", ordered);
    CHECK(stage.expect<wire::Refused>("one more").code == wire::RefusalCode::overloaded);
    stage.warned();
    stage.step(Unroutable{{"17"}});
    stage.collect("one more", ordered);
}

TEST_CASE("a collector of another version is refused with both numbers") {
    Stage stage;
    stage.collect("c1", {.major = 7});
    auto refused = stage.expect<wire::Refused>("c1");
    CHECK(refused.code == wire::RefusalCode::version);
    CHECK(refused.text.find("version 1 ") != std::string::npos);
    CHECK(refused.text.find("version 7") != std::string::npos);
    stage.warned();
}

// --- collectors

TEST_CASE(
    "in order: entries wait for those before them, failures stand in their place, a run is cut at "
    "the position") {
    Stage stage;
    stage.assign(8);
    stage.collect("c1", ordered);
    stage.results({4, 8});
    stage.failure(3);
    stage.results({0, 3});
    CHECK(stage.values_to("c1") == Range{0, 3});
    CHECK(stage.expect<wire::Failures>("c1").position == 4);
    CHECK(stage.values_to("c1") == Range{4, 8});
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.collect("c2", {.ordered = true, .position = 6});
    CHECK(stage.values_to("c2") == Range{6, 8});
    stage.ended(Outcome::partial);
    CHECK(stage.expect<wire::Concluded>("c1").outcome == Outcome::partial);
    CHECK(stage.expect<wire::Concluded>("c2").outcome == Outcome::partial);
}

TEST_CASE("a long body goes in parts, unless one like it was taken within a moment") {
    const Assembly assembly(wire::JobSpec{});
    const LivedTime begin{1h};
    CHECK_FALSE(Collector({.minor = wire::minor_of_marks - 1}, assembly, begin).wants_parts(9999));
    const wire::Collect collect{.minor = wire::version_minor};
    Collector collector(collect, assembly, begin);
    CHECK(collector.wants_parts(1 << 20));
    collector.watch(1 << 20, begin);
    collector.acknowledge(0, begin + 100ms);  // 10 MiB a second
    CHECK_FALSE(collector.wants_parts(2 << 20));
    CHECK(collector.wants_parts(3 << 20));
    collector.watch(1000, begin);  // says more of the way than of the rate
    collector.acknowledge(0, begin + 1s);
    CHECK_FALSE(collector.wants_parts(2 << 20));
    collector.watch(1 << 20, begin);
    collector.acknowledge(0, begin);
    CHECK_FALSE(collector.wants_parts(gatherer::limits::quick_bytes));
    CHECK(collector.wants_parts(gatherer::limits::quick_bytes + 1));
    collector.start(collect, assembly, begin);
    CHECK(collector.wants_parts(1 << 20));
}

TEST_CASE("credit: no more on the way than granted, one entry always") {
    Stage stage;
    stage.assign(std::nullopt);
    stage.results({0, 1});
    stage.results({1, 2});
    stage.results({2, 3});
    stage.results({3, 6});
    stage.collect("c1", {.credit = 6});  // a value has 3 bytes
    CHECK(stage.values_to("c1") == Range{0, 1});
    CHECK(stage.values_to("c1") == Range{1, 2});
    stage.acknowledge("c1", 1);
    CHECK(stage.values_to("c1") == Range{2, 3});
    stage.acknowledge("c1", 99);  // never sent: counts as all that was sent
    CHECK(stage.values_to("c1") == Range{3, 6});
    stage.collect("c1", {.position = 2, .credit = 100});
    CHECK(stage.values_to("c1") == Range{2, 3});
    CHECK(stage.values_to("c1") == Range{3, 6});
    stage.step(Unroutable{{"c1"}});
    stage.now += 2ms;
    stage.results({6, 7});
    stage.gathered();
}

TEST_CASE("now: what is there, gaps skipped, then the end of it") {
    Stage stage;
    stage.assign(10);
    stage.results({6, 8});
    stage.results({1, 2});
    stage.failure(3, wire::FailureKind::crashed);
    SUBCASE("in order") {
        stage.collect("c1", {.ordered = true, .now = true, .credit = 1});
        CHECK(stage.values_to("c1") == Range{1, 2});
        stage.results({0, 1});
        stage.results({8, 9});
        stage.acknowledge("c1", 2);
        stage.expect<wire::Failures>("c1");
        stage.acknowledge("c1", 4);
        CHECK(stage.values_to("c1") == Range{6, 8});
    }
    SUBCASE("as completed") {
        stage.collect("c1", {.now = true});
        CHECK(stage.values_to("c1") == Range{6, 8});
        CHECK(stage.values_to("c1") == Range{1, 2});
        stage.expect<wire::Failures>("c1");
    }
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::running);
    CHECK(reasons(concluded) == "crashed 3; ");
}

TEST_CASE(
    "an attached job's results are let go as they are acknowledged, a submitted one's stay until "
    "it is forgotten") {
    Stage stage;
    bool attached = false;
    SUBCASE("attached") { attached = true; }
    SUBCASE("submitted") {}
    stage.assign(3, attached ? SpecBuilder{}.attached().spec : wire::JobSpec{});
    stage.collect("c1", ordered);
    stage.results({0, 2});
    stage.values_to("c1");
    stage.results({2, 3});
    stage.values_to("c1");
    stage.expect<wire::Concluded>("c1");
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.ended(Outcome::complete);
    auto held = stage.core.held_bytes();
    CHECK(held > 0);
    stage.acknowledge("c1", 2);
    CHECK((stage.core.held_bytes() < held) == attached);
    stage.acknowledge("c1", 3);
    CHECK((stage.core.held_bytes() == 0) == attached);
    stage.collect("c2", ordered);
    if (!attached) CHECK(stage.values_to("c2") == Range{0, 2});
    if (!attached) CHECK(stage.values_to("c2") == Range{2, 3});
    stage.expect<wire::Concluded>("c2");
    stage.say(wire::Forget{stage.job});
    CHECK(stage.expect<wire::Forgotten>().job == stage.job);
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE(
    "a second follower of an attached job keeps what it has not had; one that is silent is "
    "dropped") {
    Stage stage;
    stage.assign(std::nullopt, SpecBuilder{}.attached().spec);
    stage.collect("gone", ordered);
    stage.results({0, 2});
    stage.values_to("gone");
    stage.later(100ms);
    stage.gathered();
    stage.collect("back", ordered);
    stage.values_to("back");
    stage.acknowledge("back", 2);
    CHECK(stage.core.held_bytes() > 0);
    stage.later(gatherer::limits::client_lease + 2s);
    CHECK(stage.warned().what ==
          std::string("a silent collector dropped, another collects the job"));
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE("a look at what is there lets nothing go") {
    Stage stage;
    stage.assign(std::nullopt, SpecBuilder{}.attached().spec);
    stage.results({0, 2});
    stage.collect("look", {.now = true});
    stage.values_to("look");
    stage.expect<wire::Concluded>("look");
    stage.acknowledge("look", 1);
    CHECK(stage.core.held_bytes() > 0);
}

TEST_CASE("falling below the window of held results is told, so that the broker goes on") {
    Stage stage;
    stage.assign(std::nullopt, SpecBuilder{}.attached().spec);
    stage.collect("c1", {.ordered = true, .credit = 1});
    std::string big = wire::pack_bytes(std::string(gatherer::limits::held_results_bytes / 2, 'x'));
    stage.raw_results(0, 1, big);
    stage.expect<wire::Values>("c1");
    stage.raw_results(1, 1, big);
    stage.now += 2ms;
    stage.tick();
    CHECK(stage.expect<wire::Gathered>().held_bytes > gatherer::limits::held_results_bytes);
    stage.acknowledge("c1", 1);
    stage.expect<wire::Values>("c1");
    auto gathered = stage.expect<wire::Gathered>();
    CHECK(gathered.ranges.empty());
    CHECK(gathered.held_bytes <= gatherer::limits::held_results_bytes);
}

TEST_CASE("forgetting tells the collectors") {
    Stage stage;
    stage.assign(3);
    stage.collect("c1", ordered);
    stage.say(wire::Forget{stage.job});
    auto refused = stage.expect<wire::Refused>("c1");
    CHECK(refused.code == wire::RefusalCode::unknown_job);
    CHECK(refused.job == stage.job);
    CHECK(stage.expect<wire::Forgotten>().job == stage.job);
    stage.later(5s);
    stage.say(wire::Forget{stage.job});
    CHECK(stage.expect<wire::Forgotten>().job == stage.job);
}

// --- memory

TEST_CASE("past its memory the gatherer ends the job that holds most, saying so") {
    Stage stage(100'000);
    stage.assign(100);
    stage.raw_results(0, 1, wire::pack_bytes(std::string(60'000, 'x')));
    stage.job = job_number(2);
    stage.assign(100);
    stage.raw_results(0, 1, wire::pack_bytes(std::string(50'000, 'x')));
    CHECK(stage.gathered() == Ranges{{0, 1}});
    auto propose = stage.expect<wire::Propose>();
    CHECK(propose.job == job_number(1));
    CHECK(propose.outcome == Outcome::failed);
    CHECK(propose.reason.find("--memory is 100000") != std::string::npos);
    CHECK(propose.lost);
    stage.raw_results(1, 1, wire::pack_bytes(std::string(10'000, 'x')));
    stage.job = job_number(1);
    stage.ended(Outcome::failed, propose.reason);
    CHECK(stage.core.held_bytes() < 65'000);
    stage.collect("c1", ordered);
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.values == 0);
    CHECK(reasons(concluded) == "cancelled 0-99; ");
    stage.later(100ms);
    CHECK(stage.expect<wire::Gathered>().job == job_number(2));
}

TEST_CASE("small bodies do not pin what they came in") {
    std::string bytes(100'000, 'x');
    Slice whole = Slice::take(bytes);
    CHECK(keep(whole, 10, 100).data() != whole.data() + 10);
    CHECK(keep(whole, 10, 10'000).data() != whole.data() + 10);
    CHECK(keep(whole, 10, 90'000).data() == whole.data() + 10);
}

// --- the session

TEST_CASE("Hello is said again until the broker answers") {
    Core core(Stage::options_with(1));
    auto hellos = [&](Time now, Event event) {
        std::vector<Action> actions;
        core.step(now, std::move(event), actions);
        return std::count_if(actions.begin(), actions.end(), [](const Action& action) {
            auto* send = std::get_if<SendBroker>(&action);
            return send && std::holds_alternative<wire::Hello>(send->message);
        });
    };
    CHECK(hellos(Time{1s}, Tick{}) == 1);
    CHECK(core.next_wakeup() == Time{2s});
    CHECK(hellos(Time{1999ms}, Tick{}) == 0);
    CHECK(hellos(Time{2s}, Tick{}) == 1);
    wire::Refused not_known{.code = wire::RefusalCode::unknown_session, .text = "say Hello first"};
    CHECK(hellos(Time{2100ms}, FromBroker{not_known, {}}) == 0);
    CHECK(hellos(Time{2200ms}, FromBroker{wire::Welcome{}, {}}) == 0);
    CHECK(hellos(Time{2300ms}, FromBroker{not_known, {}}) == 1);
}

TEST_CASE("a silent broker is connected to again, and told again what is safe") {
    Stage stage;
    stage.assign(5);
    stage.results({0, 2});
    stage.later(100ms);
    stage.gathered();
    stage.quiet_broker = true;
    stage.later(4900ms);
    stage.later(100ms);
    CHECK(stage.warned().took == 5s);
    stage.reconnected();
    stage.expect<wire::Hello>();
    stage.results({3, 4});
    stage.later(100ms);  // nothing is said before the welcome
    stage.welcome(1);
    CHECK(stage.gathered() == Ranges{{0, 2}, {3, 4}});
    stage.say(wire::Welcome{.epoch = {0, 1}});  // the second answer to a Hello said twice
}

TEST_CASE("a pause of our own is not the broker's silence") {
    Stage stage;
    stage.now += 1h;
    stage.tick();
    stage.later(1s);
}

TEST_CASE("a proposal that was lost with the session is made again") {
    Stage stage;
    stage.assign(1);
    stage.results({0, 1});
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.say(wire::Refused{.code = wire::RefusalCode::unknown_session, .text = "say Hello first"});
    stage.expect<wire::Hello>();  // and no warning: so it is after each restart of the broker
    stage.welcome(1);
    CHECK(stage.gathered() == Ranges{{0, 1}});
    stage.expect<wire::Propose>();
    stage.assign(1, {}, 2);
    CHECK(stage.expect<wire::Propose>().assignment == 2);
    stage.assign(1, {}, 1);  // from before
}

TEST_CASE(
    "another life of a broker that asks for nothing: running jobs fail, ended ones stay for a "
    "while") {
    Stage stage;
    stage.broker_minor = wire::minor_of_holds - 1;
    stage.assign(5);
    stage.collect("c1", ordered);
    stage.results({0, 2});
    stage.values_to("c1");
    stage.job = job_number(2);
    stage.assign(1);
    stage.results({0, 1});
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.welcome(2);
    auto concluded = stage.expect<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.reason == "the broker lost its memory (it was started again)");
    CHECK(reasons(concluded) == "cancelled 2-4; ");
    stage.later(5s);  // nobody proposes to a broker that does not know the job
    stage.collect("c2", ordered);
    CHECK(stage.values_to("c2") == Range{0, 1});
    CHECK(stage.expect<wire::Concluded>("c2").outcome == Outcome::complete);
    stage.step(Unroutable{{"c1"}});
    stage.step(Unroutable{{"c2"}});
    CHECK(stage.core.held_bytes() > 0);
    stage.now += gatherer::limits::keep_ended;
    stage.tick();
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE("a broker of another version: an error, and no hurry") {
    Stage stage;
    stage.say(wire::Refused{.code = wire::RefusalCode::version, .text = "version 2 here, 1 there"});
    CHECK(stage.warned().level == Level::error);
    stage.quiet_broker = true;
    stage.later(29s);
    stage.later(1s);
    stage.expect<wire::Hello>();
}

TEST_SUITE_END();
