// Jobs that go from one gatherer to another, as their rows.
#include <doctest/doctest.h>

#include <memory>

#include "gatherer/core/limits.hpp"
#include "gatherer/core/rows.hpp"
#include "shared/wire/fields.hpp"
#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {
/// Two gatherers, between which the test is the broker.
struct Between {
    explicit Between(std::uint64_t memory = std::uint64_t{1} << 30)
        : from(Stage::durable_with(memory)), to(Stage::durable_with(memory)) {}

    /// A job of 3 fragments, of which the first two have come.
    void open() {
        from.assign(3);
        from.results({0, 2});
        from.later(100ms);
        from.gathered();
    }
    void order(bool stop = false) {
        from.say(wire::HandOver{.job = from.job, .number = 7, .stop = stop});
    }
    /// What is on its way comes, and so does what is said of it. False: there was nothing.
    bool pass() {
        auto rows = from.expect_all_with_bodies<wire::HandedRow>();
        for (auto& [row, body] : rows) {
            bytes += body.size();
            come.push_back(row);
            to.say(row, std::string(body.view()));
            answer();
        }
        return !rows.empty();
    }
    void answer() {
        for (const wire::RowTaken& taken : to.expect_all<wire::RowTaken>()) {
            last = taken;
            if (!come.back().last && taken.refused.empty()) from.say(taken);
        }
    }
    void hand_over() {
        order();
        while (pass())
            while (!from.fetches.empty()) from.answer();
        REQUIRE(!come.empty());
        CHECK(come.back().last);
        CHECK(last.number == come.back().number);
        CHECK(last.refused == "");
    }
    void assign(std::optional<std::uint64_t> total, const wire::JobSpec& spec = {}) {
        to.say(wire::Assign{
            .job = to.job, .assignment = 2, .spec = spec, .total = total, .again = true});
    }

    Stage from, to;
    std::vector<wire::HandedRow> come;
    std::uint64_t bytes = 0;
    wire::RowTaken last;
};
}  // namespace

TEST_CASE("a running job goes with its values, failures and positions, and goes on there") {
    Between both;
    both.from.assign(6, SpecBuilder().tolerate(3).spec);
    both.from.results({0, 2});
    both.from.failure(3);
    both.from.later(100ms);
    both.from.gathered();
    both.hand_over();
    CHECK(both.to.silent());
    both.assign(6, SpecBuilder().tolerate(3).spec);
    auto gathered = both.to.expect<wire::Gathered>();
    CHECK(gathered.ranges == std::vector<Range>{{0, 2}, {3, 4}});
    CHECK(gathered.failed == std::vector<Range>{{3, 4}});
    both.to.collect("c", completed);
    CHECK(both.to.values_to("c") == Range{0, 2});
    CHECK(both.to.expect<wire::Failures>("c").failures.front().message == "no");
    both.to.results({2, 3});
    CHECK(both.to.values_to("c") == Range{2, 3});
    both.to.later(100ms);
    CHECK(both.to.gathered() == std::vector<Range>{{2, 3}});
    both.from.say(wire::Forget{both.from.job});
    both.from.expect<wire::Forgotten>();
    CHECK(both.from.core.kept_jobs() == 0);
}

TEST_CASE("while a job is on its way nothing of it changes, and nobody is told otherwise") {
    Between both;
    both.from.assign(3, SpecBuilder().attached().deadline(2000ms).spec);
    both.from.results({0, 1});
    both.from.later(100ms);
    both.from.gathered();
    both.from.collect("c", completed);
    CHECK(both.from.values_to("c") == Range{0, 1});
    both.order();
    both.from.expect_all<wire::HandedRow>();
    both.from.results({1, 2});
    both.from.failure(2);
    both.from.step(Pulled{wire::Mark{.job = both.from.job, .owner = {"w"}, .number = 5}, {}});
    both.from.acknowledge("c", 1);
    CHECK(both.from.core.held_bytes() > 0);
    both.from.now += 3s;  // its deadline passes
    both.from.say(wire::Heartbeat{});
    both.from.tick();
    CHECK(both.from.silent());
    SUBCASE("it stays after all: what it missed is done now") {
        both.order(true);
        CHECK(both.from.expect<wire::Propose>().outcome == Outcome::expired);
        CHECK(both.from.core.held_bytes() == 0);  // what was acknowledged is let go of
    }
    SUBCASE("the broker has ended it") {
        both.from.ended(Outcome::cancelled, "enough");
        CHECK(both.from.expect<wire::Concluded>("c").outcome == Outcome::cancelled);
    }
    SUBCASE("the session is another one") {
        both.from.say([] {
            wire::Welcome welcome;
            welcome.epoch = {.number = 0, .incarnation = 2};
            welcome.timeout = wire::Milliseconds{5000};
            return welcome;
        }());
        CHECK(both.from.expect<wire::Holds>().jobs.size() == 1);
        CHECK(both.from.gathered() == std::vector<Range>{{0, 1}});
        CHECK(both.from.expect<wire::Propose>().outcome == Outcome::expired);
    }
}

TEST_CASE("an ended job goes with its outcome; what was let go of stays received") {
    Between both;
    both.from.assign(3, SpecBuilder().tolerate(0).spec);
    both.from.results({0, 2});
    both.from.failure(2);
    both.from.gathered();
    CHECK(both.from.expect<wire::Propose>().outcome == Outcome::failed);
    both.from.ended(Outcome::failed, "too many");
    both.hand_over();
    both.assign(3);
    both.to.skip<wire::Gathered, wire::Propose>();
    both.to.collect("c", ordered);
    CHECK(both.to.values_to("c") == Range{0, 2});
    both.to.expect<wire::Failures>("c");
    auto concluded = both.to.expect<wire::Concluded>("c");
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.reason == "too many");
}

TEST_CASE("bodies that are in the store alone are read back, a few megabytes at a time") {
    Between both(fanfold::limits::least_memory_bytes);
    const std::string large = wire::pack_text(std::string(5 << 20, 'x'));
    both.from.assign(21);
    for (Index index = 0; index < 20; ++index) both.from.raw_results(index, 1, large);
    both.from.later(100ms);
    both.from.skip<wire::Gathered>();
    both.order();
    std::uint64_t most = 0;
    while (true) {
        std::uint64_t before = both.bytes;
        if (!both.pass() && both.from.fetches.empty()) break;
        most = std::max(most, both.bytes - before);
        while (!both.from.fetches.empty()) both.from.answer();
    }
    CHECK(both.come.back().last);
    CHECK(both.bytes == 20 * large.size());
    CHECK(most <= fanfold::limits::handed_bytes + large.size());
    CHECK(both.to.core.memory_bytes() <= fanfold::limits::least_memory_bytes);
    both.assign(21);
    CHECK(both.to.gathered() == std::vector<Range>{{0, 20}});
}

TEST_CASE("a job is refused by name, and nothing of it stays") {
    Between both;
    both.open();
    SUBCASE("its rows have another form") {
        both.order();
        auto rows = both.from.expect_all<wire::HandedRow>();
        rows[0].form = row_format + 1;
        both.to.say(rows[0]);
        CHECK(both.to.expect<wire::RowTaken>().refused ==
              "its rows are of form " + std::to_string(row_format + 1));
    }
    SUBCASE("a row was lost") {
        both.order();
        auto rows = both.from.expect_all<wire::HandedRow>();
        both.to.say(rows[0]);
        both.to.say(rows[2]);
        CHECK(both.to.expect<wire::RowTaken>().refused == "a row of it was lost");
    }
    SUBCASE("a row makes no sense") {
        both.order();
        auto rows = both.from.expect_all<wire::HandedRow>();
        rows[0].data = "nonsense";
        both.to.say(rows[0]);
        CHECK(both.to.expect<wire::RowTaken>().refused.find("can't be read") != std::string::npos);
    }
    SUBCASE("it begins as if it were whole") {
        both.order();
        auto rows = both.from.expect_all<wire::HandedRow>();
        JobRow row{.assignment = 9};
        rows[0].data = wire::fields::encode_fields(row);
        both.to.say(rows[0]);
        CHECK(both.to.expect<wire::RowTaken>().refused ==
              "its rows are none of a job that is handed over");
    }
    SUBCASE("the gatherer does not have the job that it is to hand over") {
        both.from.say(wire::HandOver{.job = job_number(9), .number = 3});
        CHECK(both.from.expect<wire::RowTaken>().unknown);
    }
    CHECK(both.to.core.held_bytes() == 0);
    CHECK(std::ranges::none_of(both.to.rows,
                               [&](const auto& row) { return row.second.job == both.from.job; }));
}

TEST_CASE("without a store a row is refused for which there is no room; what runs there stays") {
    constexpr std::uint64_t room = fanfold::limits::least_memory_bytes;
    Between both;
    Stage other(room);
    const std::string large = wire::pack_text(std::string(5 << 20, 'x'));
    both.from.assign(21);
    for (Index index = 0; index < 20; ++index) both.from.raw_results(index, 1, large);
    both.from.later(100ms);
    both.from.skip<wire::Gathered>();
    other.job = job_number(9);
    other.assign(3);
    std::string refused;
    both.order();
    for (bool sent = true; sent && refused.empty();) {
        auto rows = both.from.expect_all_with_bodies<wire::HandedRow>();
        sent = !rows.empty();
        for (auto& [row, body] : rows) {
            other.say(row, std::string(body.view()));
            for (const wire::RowTaken& taken : other.expect_all<wire::RowTaken>())
                if (taken.refused.empty()) both.from.say(taken);
                else refused = taken.refused;
        }
    }
    CHECK(refused == "there is no room for it in memory (--memory)");
    CHECK(other.core.held_bytes() == 0);
    CHECK(other.core.kept_jobs() == 1);
}

TEST_CASE("a start lets go of what was not whole, and keeps what was") {
    Between both;
    both.open();
    both.order();
    auto rows = both.from.expect_all_with_bodies<wire::HandedRow>();
    bool whole = false;
    SUBCASE("not whole") {}
    SUBCASE("whole") { whole = true; }
    for (auto& [row, body] : rows)
        if (whole || !row.last) both.to.say(row, std::string(body.view()));
    both.to.skip<wire::RowTaken>();
    Core next(Stage::durable_with(1 << 30));
    for (const auto& [name, record] : both.to.rows) next.restore(record);
    std::vector<Action> actions;
    next.step(both.to.now, Tick{}, actions);
    CHECK(next.kept_jobs() == (whole ? 1 : 0));
    CHECK((next.held_bytes() > 0) == whole);
}
