// Peers that talk nonsense to the gatherer: counted, cut off for a while, and nobody else the worse
// for it.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// Misbehaviour until it is cut off: how many warnings that took.
int talk_nonsense(Stage& stage, PeerId from, const Sender& sender = {}) {
    int warnings = 0;
    for (std::uint32_t i = 0; i < gatherer::limits::misbehaviour_strikes; ++i) {
        stage.step(Garbled{from, "no message", sender});
        warnings += static_cast<int>(stage.expect_all<Note>().size());
    }
    return warnings;
}

}  // namespace

TEST_CASE("a collector that talks nonsense is cut off, told so once, and ignored for a while") {
    Stage stage;
    stage.assign(2);
    stage.collect("c", {});
    stage.collect("d", {});
    CHECK(talk_nonsense(stage, {"c"}) == 11);  // ten lines, and the one that it is cut off
    CHECK(stage.expect<wire::Refused>("c").text.starts_with("cut off for 60 s"));
    stage.collect("c", {});
    stage.step(Garbled{{"c"}, "no message"});
    stage.results({0, 1});
    CHECK(stage.values_to("d") == Range{0, 1});
    stage.nothing_left();
    stage.now += gatherer::limits::cut_off_time;
    stage.collect("c", {});
    CHECK(stage.values_to("c") == Range{0, 1});
    stage.later(10ms);
    CHECK(stage.gathered().size() == 1);
}

TEST_CASE("with a key, what it pushes is ignored, too; without one nobody is") {
    Stage stage;
    stage.assign(2);
    Sender mallory{.user = "mallory", .public_key = "the key of mallory"};
    talk_nonsense(stage, {}, mallory);
    auto push = [&](Index index, const Sender& sender) {
        stage.step(Pulled{
            wire::Results{.job = stage.job, .first = index, .count = 1, .meta = {.worker = "w"}},
            Slice::take(value(index)), sender});
    };
    push(0, mallory);
    stage.later(100ms);
    stage.nothing_left();
    for (int i = 0; i < 3; ++i) talk_nonsense(stage, {});
    push(0, {});
    stage.later(100ms);
    CHECK(stage.gathered() == std::vector<Range>{{0, 1}});
    CHECK(stage.core.misbehaviour().counted() == 4 * gatherer::limits::misbehaviour_strikes);
}

TEST_CASE("results that make no sense are nonsense") {
    Stage stage;
    stage.assign(2);
    auto before = stage.core.misbehaviour().counted();
    for (auto [first, count] :
         {std::pair<Index, std::uint32_t>{0, 0}, {~Index{0}, 5}, {2, 1}, {1, 1}}) {
        stage.raw_results(first, count, first == 1 ? "" : value(first));
        CHECK(std::string(stage.warned().what) == "results that make no sense dropped");
    }
    CHECK(stage.core.misbehaviour().counted() == before + 4);
}

TEST_CASE(
    "what comes before its job counts with its worker's name: a long one takes room as a long body "
    "does") {
    Stage stage;
    std::string name(1 << 20, 'w');
    std::size_t kept = 0;
    for (std::uint8_t i = 0; i < 100; ++i) {
        stage.step(Pulled{
            wire::Results{.job = job_number(100), .first = i, .count = 1, .meta = {.worker = name}},
            Slice::take(value(i))});
        if (stage.silent()) ++kept;
        else (void)stage.warned();
    }
    CHECK(kept == 63);
}
