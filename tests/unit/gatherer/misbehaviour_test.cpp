// Peers that talk nonsense to the gatherer: counted, cut off for a while, and nobody else the worse
// for it.
#include <doctest/doctest.h>

#include "tests/support/gatherer_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

/// Misbehaviour until it is cut off: how many warnings that took.
int talk_nonsense(Bench& bench, PeerId from, const Sender& sender = {}) {
    int warnings = 0;
    for (std::uint32_t i = 0; i < gatherer::limits::misbehaviour_strikes; ++i) {
        bench.step(Garbled{from, "no message", sender});
        if (bench.out.empty() || !std::holds_alternative<Note>(bench.out.front())) continue;
        ++warnings;
        (void)bench.warned();
    }
    return warnings;
}

}  // namespace

TEST_CASE("a collector that talks nonsense is cut off, told so once, and ignored for a while") {
    Bench bench;
    bench.assign(2);
    bench.collect("c", {});
    bench.collect("d", {});
    CHECK(talk_nonsense(bench, {"c"}) == 11);  // ten lines, and the one that it is cut off
    CHECK(bench.to<wire::Refused>("c").text.starts_with("cut off for 60 s"));
    bench.collect("c", {});
    bench.step(Garbled{{"c"}, "no message"});
    bench.results({0, 1});
    CHECK(bench.values_to("d") == Range{0, 1});
    bench.nothing_left();
    bench.now += gatherer::limits::cut_off_time;
    bench.collect("c", {});
    CHECK(bench.values_to("c") == Range{0, 1});
    bench.later(10ms);
    CHECK(bench.gathered().size() == 1);
}

TEST_CASE("with a key, what it pushes is ignored, too; without one nobody is") {
    Bench bench;
    bench.assign(2);
    Sender mallory{.user = "mallory", .public_key = "the key of mallory"};
    talk_nonsense(bench, {}, mallory);
    auto push = [&](Index index, const Sender& sender) {
        bench.step(Pulled{
            wire::Results{.job = bench.job, .first = index, .count = 1, .meta = {.worker = "w"}},
            Slice::take(value(index)), sender});
    };
    push(0, mallory);
    bench.later(100ms);
    bench.nothing_left();
    for (int i = 0; i < 3; ++i) talk_nonsense(bench, {});
    push(0, {});
    bench.later(100ms);
    CHECK(bench.gathered() == std::vector<Range>{{0, 1}});
    CHECK(bench.core.misbehaviour().counted() == 4 * gatherer::limits::misbehaviour_strikes);
}

TEST_CASE("results that make no sense are nonsense") {
    Bench bench;
    bench.assign(2);
    auto before = bench.core.misbehaviour().counted();
    for (auto [first, count] :
         {std::pair<Index, std::uint32_t>{0, 0}, {~Index{0}, 5}, {2, 1}, {1, 1}}) {
        bench.raw_results(first, count, first == 1 ? "" : value(first));
        CHECK(std::string(bench.warned().what) == "results that make no sense dropped");
    }
    CHECK(bench.core.misbehaviour().counted() == before + 4);
}

TEST_CASE(
    "what comes before its job counts with its worker's name: a long one takes room as a long body "
    "does") {
    Bench bench;
    std::string name(1 << 20, 'w');
    std::size_t kept = 0;
    for (std::uint8_t i = 0; i < 100; ++i) {
        bench.step(Pulled{
            wire::Results{.job = job_number(100), .first = i, .count = 1, .meta = {.worker = name}},
            Slice::take(value(i))});
        if (bench.out.empty()) ++kept;
        else (void)bench.warned();
    }
    CHECK(kept == 63);
}
