#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

using Ranges = std::vector<Range>;
constexpr auto ordered = wire::Collect{.ordered = true};
constexpr auto completed = wire::Collect{};

std::string reasons(const wire::Concluded& concluded) {
    std::string text;
    for (const auto& missing : concluded.missing)
        text += missing.reason + " " + to_string(missing.ranges) + "; ";
    return text;
}

}  // namespace

TEST_SUITE_BEGIN("gatherer");

// --- the happy path

// --- early arrivals

TEST_CASE("a collector of an unknown job waits for a while, then is refused; so do results") {
    Bench bench;
    bench.collect("c1", ordered);
    bench.results({0, 1});
    bench.later(gatherer::limits::early_patience - 1s);
    bench.collect("c1", ordered);
    CHECK(bench.core.next_wakeup() <= bench.now + 1s);
    bench.later(1s);
    CHECK(bench.to<wire::Refused>("c1").code == wire::RefusalCode::unknown_job);
    CHECK(bench.warned().what == std::string("results of a job that nobody assigned dropped"));
    bench.assign(1);
    bench.collect("c1", ordered);
}

TEST_CASE("early results are bounded by bytes, early collectors by count") {
    Bench bench;
    std::string big = wire::pack_bytes(std::string(gatherer::limits::early_result_bytes / 2, 'x'));
    bench.raw_results(0, 1, big);
    bench.raw_results(1, 1, big);
    CHECK(bench.warned().what ==
          std::string("no room for results that came before their job, dropped"));
    for (std::size_t i = 0; i < gatherer::limits::early_collects; ++i) {
        bench.job = job_number(static_cast<std::uint8_t>(i % 200));
        std::vector<Action> actions;
        bench.core.step(bench.now,
                        Received{.from = {std::to_string(i)},
                                 .message = wire::Collect{.job = bench.job},
                                 .body = {}},
                        actions);
        REQUIRE(actions.empty());
    }
    bench.core.check_invariants();
    bench.collect("one more", ordered);
    CHECK(bench.to<wire::Refused>("one more").code == wire::RefusalCode::overloaded);
    bench.warned();
    bench.step(Unroutable{{"17"}});
    bench.collect("one more", ordered);
}

TEST_CASE("a collector of another version is refused with both numbers") {
    Bench bench;
    bench.collect("c1", {.major = 7});
    auto refused = bench.to<wire::Refused>("c1");
    CHECK(refused.code == wire::RefusalCode::version);
    CHECK(refused.text.find("version 1 ") != std::string::npos);
    CHECK(refused.text.find("version 7") != std::string::npos);
    bench.warned();
}

// --- collectors

TEST_CASE(
    "in order: entries wait for those before them, failures stand in their place, a run is cut at "
    "the position") {
    Bench bench;
    bench.assign(8);
    bench.collect("c1", ordered);
    bench.results({4, 8});
    bench.failure(3);
    bench.results({0, 3});
    CHECK(bench.values_to("c1") == Range{0, 3});
    CHECK(bench.to<wire::Failures>("c1").position == 4);
    CHECK(bench.values_to("c1") == Range{4, 8});
    bench.broker<wire::Propose>();
    bench.gathered();
    bench.collect("c2", {.ordered = true, .position = 6});
    CHECK(bench.values_to("c2") == Range{6, 8});
    bench.ended(Outcome::partial);
    CHECK(bench.to<wire::Concluded>("c1").outcome == Outcome::partial);
    CHECK(bench.to<wire::Concluded>("c2").outcome == Outcome::partial);
}

TEST_CASE("credit: no more on the way than granted, one entry always") {
    Bench bench;
    bench.assign(std::nullopt);
    bench.results({0, 1});
    bench.results({1, 2});
    bench.results({2, 3});
    bench.results({3, 6});
    bench.collect("c1", {.credit = 6});  // a value has 3 bytes
    CHECK(bench.values_to("c1") == Range{0, 1});
    CHECK(bench.values_to("c1") == Range{1, 2});
    bench.acknowledge("c1", 1);
    CHECK(bench.values_to("c1") == Range{2, 3});
    bench.acknowledge("c1", 99);  // never sent: counts as all that was sent
    CHECK(bench.values_to("c1") == Range{3, 6});
    bench.collect("c1", {.position = 2, .credit = 100});
    CHECK(bench.values_to("c1") == Range{2, 3});
    CHECK(bench.values_to("c1") == Range{3, 6});
    bench.step(Unroutable{{"c1"}});
    bench.now += 2ms;
    bench.results({6, 7});
    bench.gathered();
}

TEST_CASE("now: what is there, gaps skipped, then the end of it") {
    Bench bench;
    bench.assign(10);
    bench.results({6, 8});
    bench.results({1, 2});
    bench.failure(3, wire::FailureKind::crashed);
    SUBCASE("in order") {
        bench.collect("c1", {.ordered = true, .now = true, .credit = 1});
        CHECK(bench.values_to("c1") == Range{1, 2});
        bench.results({0, 1});
        bench.results({8, 9});
        bench.acknowledge("c1", 2);
        bench.to<wire::Failures>("c1");
        bench.acknowledge("c1", 4);
        CHECK(bench.values_to("c1") == Range{6, 8});
    }
    SUBCASE("as completed") {
        bench.collect("c1", {.now = true});
        CHECK(bench.values_to("c1") == Range{6, 8});
        CHECK(bench.values_to("c1") == Range{1, 2});
        bench.to<wire::Failures>("c1");
    }
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::running);
    CHECK(reasons(concluded) == "crashed 3; ");
}

TEST_CASE(
    "an attached job's results are let go as they are acknowledged, a submitted one's stay until "
    "it is forgotten") {
    Bench bench;
    bool attached = false;
    SUBCASE("attached") { attached = true; }
    SUBCASE("submitted") {}
    bench.assign(3, attached ? SpecBuilder{}.attached().spec : wire::JobSpec{});
    bench.collect("c1", ordered);
    bench.results({0, 2});
    bench.values_to("c1");
    bench.results({2, 3});
    bench.values_to("c1");
    bench.to<wire::Concluded>("c1");
    bench.gathered();
    bench.broker<wire::Propose>();
    bench.ended(Outcome::complete);
    auto held = bench.core.held_bytes();
    CHECK(held > 0);
    bench.acknowledge("c1", 2);
    CHECK((bench.core.held_bytes() < held) == attached);
    bench.acknowledge("c1", 3);
    CHECK((bench.core.held_bytes() == 0) == attached);
    bench.collect("c2", ordered);
    if (!attached) CHECK(bench.values_to("c2") == Range{0, 2});
    if (!attached) CHECK(bench.values_to("c2") == Range{2, 3});
    bench.to<wire::Concluded>("c2");
    bench.from_broker(wire::Forget{bench.job});
    CHECK(bench.broker<wire::Forgotten>().job == bench.job);
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE(
    "a second follower of an attached job keeps what it has not had; one that is silent is "
    "dropped") {
    Bench bench;
    bench.assign(std::nullopt, SpecBuilder{}.attached().spec);
    bench.collect("gone", ordered);
    bench.results({0, 2});
    bench.values_to("gone");
    bench.later(100ms);
    bench.gathered();
    bench.collect("back", ordered);
    bench.values_to("back");
    bench.acknowledge("back", 2);
    CHECK(bench.core.held_bytes() > 0);
    bench.later(gatherer::limits::client_lease + 2s);
    CHECK(bench.warned().what ==
          std::string("a silent collector dropped, another collects the job"));
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE("a look at what is there lets nothing go") {
    Bench bench;
    bench.assign(std::nullopt, SpecBuilder{}.attached().spec);
    bench.results({0, 2});
    bench.collect("look", {.now = true});
    bench.values_to("look");
    bench.to<wire::Concluded>("look");
    bench.acknowledge("look", 1);
    CHECK(bench.core.held_bytes() > 0);
}

TEST_CASE("falling below the window of held results is told, so that the broker goes on") {
    Bench bench;
    bench.assign(std::nullopt, SpecBuilder{}.attached().spec);
    bench.collect("c1", {.ordered = true, .credit = 1});
    std::string big = wire::pack_bytes(std::string(gatherer::limits::held_results_bytes / 2, 'x'));
    bench.raw_results(0, 1, big);
    bench.to<wire::Values>("c1");
    bench.raw_results(1, 1, big);
    bench.now += 2ms;
    bench.tick();
    CHECK(bench.broker<wire::Gathered>().held_bytes > gatherer::limits::held_results_bytes);
    bench.acknowledge("c1", 1);
    bench.to<wire::Values>("c1");
    auto gathered = bench.broker<wire::Gathered>();
    CHECK(gathered.ranges.empty());
    CHECK(gathered.held_bytes <= gatherer::limits::held_results_bytes);
}

TEST_CASE("forgetting tells the collectors") {
    Bench bench;
    bench.assign(3);
    bench.collect("c1", ordered);
    bench.from_broker(wire::Forget{bench.job});
    auto refused = bench.to<wire::Refused>("c1");
    CHECK(refused.code == wire::RefusalCode::unknown_job);
    CHECK(refused.job == bench.job);
    CHECK(bench.broker<wire::Forgotten>().job == bench.job);
    bench.later(5s);
    bench.from_broker(wire::Forget{bench.job});
    CHECK(bench.broker<wire::Forgotten>().job == bench.job);
}

// --- memory

TEST_CASE("past its memory the gatherer ends the job that holds most, saying so") {
    Bench bench(100'000);
    bench.assign(100);
    bench.raw_results(0, 1, wire::pack_bytes(std::string(60'000, 'x')));
    bench.job = job_number(2);
    bench.assign(100);
    bench.raw_results(0, 1, wire::pack_bytes(std::string(50'000, 'x')));
    auto propose = bench.broker<wire::Propose>();
    CHECK(propose.job == job_number(1));
    CHECK(propose.outcome == Outcome::failed);
    CHECK(propose.reason.find("--memory is 100000") != std::string::npos);
    CHECK(propose.lost);
    CHECK(bench.gathered() == Ranges{{0, 1}});
    bench.raw_results(1, 1, wire::pack_bytes(std::string(10'000, 'x')));
    bench.job = job_number(1);
    bench.ended(Outcome::failed, propose.reason);
    CHECK(bench.core.held_bytes() < 65'000);
    bench.collect("c1", ordered);
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.values == 0);
    CHECK(reasons(concluded) == "cancelled 0-99; ");
    bench.later(100ms);
    CHECK(bench.broker<wire::Gathered>().job == job_number(2));
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
    Core core(Bench::options_with(1));
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
    Bench bench;
    bench.assign(5);
    bench.results({0, 2});
    bench.later(100ms);
    bench.gathered();
    bench.quiet_broker = true;
    bench.later(4900ms);
    bench.later(100ms);
    bench.warned();
    bench.reconnected();
    bench.broker<wire::Hello>();
    bench.results({3, 4});
    bench.later(100ms);  // nothing is said before the welcome
    bench.welcome(1);
    CHECK(bench.gathered() == Ranges{{0, 2}, {3, 4}});
    bench.welcome(1);  // the second answer to a Hello said twice
}

TEST_CASE("a pause of our own is not the broker's silence") {
    Bench bench;
    bench.now += 1h;
    bench.tick();
    bench.later(1s);
}

TEST_CASE("a proposal that was lost with the session is made again") {
    Bench bench;
    bench.assign(1);
    bench.results({0, 1});
    bench.gathered();
    bench.broker<wire::Propose>();
    bench.from_broker(
        wire::Refused{.code = wire::RefusalCode::unknown_session, .text = "say Hello first"});
    bench.warned();
    bench.broker<wire::Hello>();
    bench.welcome(1);
    CHECK(bench.gathered() == Ranges{{0, 1}});
    bench.broker<wire::Propose>();
    bench.assign(1, {}, 2);
    CHECK(bench.broker<wire::Propose>().assignment == 2);
    bench.assign(1, {}, 1);  // from before
}

TEST_CASE("another life of the broker: running jobs fail, ended ones stay for a while") {
    Bench bench;
    bench.assign(5);
    bench.collect("c1", ordered);
    bench.results({0, 2});
    bench.values_to("c1");
    bench.job = job_number(2);
    bench.assign(1);
    bench.results({0, 1});
    bench.gathered();
    bench.broker<wire::Propose>();
    bench.welcome(2);
    auto concluded = bench.to<wire::Concluded>("c1");
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.reason == "the broker lost its memory (it was started again)");
    CHECK(reasons(concluded) == "cancelled 2-4; ");
    bench.later(5s);  // nobody proposes to a broker that does not know the job
    bench.collect("c2", ordered);
    CHECK(bench.values_to("c2") == Range{0, 1});
    CHECK(bench.to<wire::Concluded>("c2").outcome == Outcome::complete);
    bench.step(Unroutable{{"c1"}});
    bench.step(Unroutable{{"c2"}});
    CHECK(bench.core.held_bytes() > 0);
    bench.now += gatherer::limits::keep_ended;
    bench.tick();
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE("a broker of another version: an error, and no hurry") {
    Bench bench;
    bench.from_broker(
        wire::Refused{.code = wire::RefusalCode::version, .text = "version 2 here, 1 there"});
    CHECK(bench.warned().level == Level::error);
    bench.quiet_broker = true;
    bench.later(29s);
    bench.later(1s);
    bench.broker<wire::Hello>();
}

TEST_SUITE_END();
