// A gatherer with a store holds far more than its memory: bodies are spilled, and fetched when a
// collector comes to them.
#include <doctest/doctest.h>

#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

constexpr std::uint64_t memory = 200'000;
constexpr auto ordered = wire::Collect{.ordered = true};

std::string large(Index index) {
    return wire::pack_text(std::string(20'000, 'x') + std::to_string(index));
}

/// A job of 40 fragments in 10 times 80,000 bytes, of which memory holds two and a half.
struct Large : Bench {
    explicit Large(bool attached = false) : Bench(durable_with(memory)) {
        assign(40, attached ? SpecBuilder().attached().spec : wire::JobSpec{});
    }
    void push(std::uint64_t runs = 10) {
        for (Index run = 0; run < runs; ++run) {
            raw_results(4 * run, 4, body(run));
            CHECK(core.memory_bytes() <= memory);
        }
    }
    static std::string body(Index run) {
        std::string bytes;
        for (Index i = 4 * run; i < 4 * run + 4; ++i) bytes += large(i);
        return bytes;
    }
    void complete() {
        push();
        gathered();
        CHECK(broker<wire::Propose>().outcome == Outcome::complete);
        ended(Outcome::complete);
    }
    /// The next message for a collector, fetched if need be.
    template <class T>
    std::pair<T, Slice> next(const std::string& peer) {
        for (stash(); inbox[peer].empty(); stash()) answer();
        Send send = std::move(inbox[peer].front());
        inbox[peer].pop_front();
        REQUIRE(std::holds_alternative<T>(send.message));
        return {std::get<T>(send.message), send.body};
    }
    /// The run comes to the collector, and it has written it.
    void takes(const std::string& peer, Index run, bool in_order) {
        auto [message, bytes] = next<wire::Values>(peer);
        CHECK(message.first == 4 * run);
        CHECK(bytes.view() == body(run));
        acknowledge(peer, in_order ? 4 * run + 4 : run + 1);
        stash();
    }
    /// Takes what was sent to collectors, for later.
    void stash() {
        for (auto& action : out)
            if (auto* send = std::get_if<Send>(&action))
                inbox[send->to.bytes].push_back(std::move(*send));
        std::erase_if(out,
                      [](const Action& action) { return std::holds_alternative<Send>(action); });
    }
    void answer_all() {
        for (stash(); !fetches.empty(); stash()) answer();
    }

    std::map<std::string, std::deque<Send>> inbox;
};

}  // namespace

TEST_CASE(
    "durable gatherer: a job larger than memory is held in the store, and collected from it") {
    Large bench;
    bench.complete();
    CHECK(bench.core.held_bytes() > 800'000);
    CHECK(bench.fetches.empty());
    bool in_order = false;
    SUBCASE("in order") { in_order = true; }
    SUBCASE("as completed") {}
    bench.collect("c1", {.ordered = in_order, .credit = 100'000});
    bench.stash();
    CHECK(bench.inbox["c1"].size() == 1);  // what comes first was kept in memory
    for (Index run = 0; run < 10; ++run) bench.takes("c1", run, in_order);
    CHECK(bench.next<wire::Concluded>("c1").first.values == 40);
    CHECK(bench.fetches.empty());
    CHECK(bench.core.held_bytes() > 800'000);
}

TEST_CASE("durable gatherer: the credit of a collector bounds what is fetched for it") {
    Large bench;
    bench.complete();
    bench.collect("c1", {.credit = 1 << 20});
    bench.answer_all();
    for (Index run = 0; run < 10; ++run) bench.takes("c1", run, false);
    bench.next<wire::Concluded>("c1");
    bench.collect("c2", {.credit = 1});
    bench.answer_all();
    CHECK(bench.inbox["c2"].size() == 1);
}

TEST_CASE(
    "durable gatherer: a collector that keeps up is sent each value as it comes, and nothing is "
    "fetched") {
    Large bench(true);
    bench.collect("c1", ordered);
    for (Index run = 0; run < 10; ++run) {
        bench.raw_results(4 * run, 4, Large::body(run));
        bench.stash();
        if (run == 9) {
            bench.gathered();
            bench.broker<wire::Propose>();
        }
        if (run >= 5) bench.takes("c1", run - 5, true);  // it writes slowly
    }
    CHECK(bench.fetches.empty());
    CHECK(bench.core.memory_bytes() <= memory);
    for (Index run = 5; run < 10; ++run) bench.takes("c1", run, true);
    bench.next<wire::Concluded>("c1");
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE("durable gatherer: what the broker hears of held bytes is in memory or not") {
    Large bench(true);
    bench.push(5);
    bench.later(5ms);
    CHECK(bench.broker<wire::Gathered>().held_bytes > 400'000);
}

TEST_CASE("durable gatherer: fetches are few at a time, and everybody gets a turn") {
    Large bench;
    bench.complete();
    for (const char* peer : {"c1", "c2", "c3"}) {
        bench.collect(peer, {.credit = 1 << 20});
        bench.stash();
    }
    std::size_t least = 0;
    for (std::size_t most = 0; !bench.fetches.empty(); bench.stash()) {
        CHECK(bench.fetches.size() == 1);  // one body is more than the share of memory for this
        bench.answer();
        for (const char* peer : {"c1", "c2", "c3"}) most = std::max(most, bench.inbox[peer].size());
        least = bench.inbox["c3"].size();
        CHECK(least + 3 >= most);
    }
    for (const char* peer : {"c1", "c2", "c3"}) {
        for (Index run = 0; run < 10; ++run) bench.takes(peer, run, false);
        bench.next<wire::Concluded>(peer);
    }
}

TEST_CASE("durable gatherer: a collector that goes while its value is fetched harms nobody") {
    Large bench;
    bench.complete();
    bench.collect("c1", ordered);
    bench.stash();
    bench.collect("c2", {.credit = 1 << 20});
    bench.stash();
    bench.step(Unroutable{{"c1"}});
    bench.answer_all();
    for (Index run = 0; run < 10; ++run) bench.takes("c2", run, false);
    bench.next<wire::Concluded>("c2");
}

TEST_CASE(
    "durable gatherer: a fetch of a forgotten job is not taken for one of another job with its "
    "id") {
    Large bench;
    bench.complete();
    bench.collect("c1", ordered);
    for (Index run : {0, 1}) bench.takes("c1", run, true);  // the first ones are in memory
    REQUIRE(bench.fetches.size() == 1);
    Fetch old = bench.fetches.front();
    bench.fetches.clear();
    bench.from_broker(wire::Forget{bench.job});
    bench.broker<wire::Forgotten>();
    bench.next<wire::Refused>("c1");
    bench.assign(40);
    bench.push();
    bench.gathered();
    bench.broker<wire::Propose>();
    bench.collect("c2", ordered);
    bench.stash();
    CHECK(bench.fetches.empty());  // the old one is still on its way
    bench.step(Fetched{.record = {.job = old.job, .kind = old.kind, .number = old.number},
                       .sound = false});
    for (Index run = 0; run < 10; ++run) bench.takes("c2", run, true);
    CHECK(bench.next<wire::Concluded>("c2").first.values == 40);
}

TEST_CASE(
    "durable gatherer: a run across the total that is cut while it is spilled comes cut from the "
    "store") {
    Bench bench(Bench::durable_with(2'000));
    bench.assign(std::nullopt);
    std::string body;
    for (Index i = 0; i < 4; ++i) body += large(i);
    bench.raw_results(0, 4, body);
    CHECK(bench.core.memory_bytes() < 2'000);
    bench.assign(3);
    bench.warned();
    bench.gathered();
    bench.broker<wire::Propose>();
    bench.collect("c1", {.ordered = true, .position = 1});
    bench.answer();
    auto [values, bytes] = bench.to_with_body<wire::Values>("c1");
    CHECK(values.first == 1);
    CHECK(values.count == 2);
    CHECK(bytes.view() == large(1) + large(2));
    CHECK(bench.to<wire::Concluded>("c1").values == 3);
}

// --- damage

TEST_CASE(
    "durable gatherer: a value that can't be read back ends a running job as failed, and no "
    "collector is shown less") {
    Large bench;
    bench.push(9);
    bench.later(5ms);
    bench.gathered();
    bench.collect("c1", ordered);
    for (Index run : {0, 1}) bench.takes("c1", run, true);  // the first ones are in memory
    REQUIRE(bench.fetches.size() == 1);
    Fetch asked = bench.fetches.front();
    bench.fetches.clear();
    SUBCASE("there is no such row") {
        bench.step(Fetched{.record = {.job = asked.job, .kind = asked.kind, .number = asked.number},
                           .sound = false});
    }
    SUBCASE("it is another one") {
        Record other = bench.rows.at({asked.job, asked.kind, asked.number + 1});
        other.number = asked.number;
        bench.step(Fetched{.record = other});
    }
    SUBCASE("it is cut") {
        Record cut = bench.rows.at({asked.job, asked.kind, asked.number});
        cut.body = cut.body.sub(0, cut.body.size() - 1);
        bench.step(Fetched{.record = cut});
    }
    CHECK(bench.warned().level == Level::error);
    auto propose = bench.broker<wire::Propose>();
    CHECK(propose.outcome == Outcome::failed);
    CHECK(propose.lost);
    CHECK(propose.reason.find(
              "the gatherer's state in /state is damaged: what was kept of fragments 8-11") == 0);
    auto refused = bench.next<wire::Refused>("c1").first;
    CHECK(refused.code == wire::RefusalCode::conflict);
    CHECK(refused.text.find("/state is damaged") != std::string::npos);
    bench.collect("c2", ordered);
    CHECK(bench.next<wire::Refused>("c2").first.text == refused.text);
    bench.ended(Outcome::failed, propose.reason);
    bench.collect("c2", ordered);
    auto concluded = bench.next<wire::Concluded>("c2").first;
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.values == 0);
    CHECK(bench.core.held_bytes() == 0);
}

TEST_CASE(
    "durable gatherer: a value of an ended job that can't be read back: its collectors are refused "
    "each time") {
    Large bench;
    bench.complete();
    bench.collect("c1", ordered);
    for (Index run : {0, 1}) bench.takes("c1", run, true);
    bench.fetches.clear();
    bench.step(Fetched{
        .record = {.job = bench.job, .kind = static_cast<std::uint8_t>(Row::entry), .number = 2},
        .sound = false});
    CHECK(bench.warned().level == Level::error);
    bench.next<wire::Refused>("c1");
    bench.collect("c2", ordered);
    CHECK(bench.next<wire::Refused>("c2").first.text.find("fragments 8-11") != std::string::npos);
}

// --- what waits for the disk

TEST_CASE("durable gatherer: results that the disk is not ready for stay with their workers") {
    Large bench;
    bench.commits = false;
    for (Index run = 0; run < 10; ++run) bench.raw_results(4 * run, 4, Large::body(run));
    bench.later(5ms);
    CHECK(bench.gathered() == std::vector<Range>{{0, 8}});  // as many as fit
    bench.raw_results(8, 4, Large::body(2));
    bench.committed();
    bench.raw_results(8, 4, Large::body(2));
    bench.later(5ms);
    CHECK(bench.gathered() == std::vector<Range>{{8, 12}});
}

TEST_CASE(
    "durable gatherer: with nothing waiting for the disk one result is taken, whatever its size") {
    Bench bench(Bench::durable_with(30'000));
    bench.commits = false;
    bench.assign(3);
    std::string body = wire::pack_bytes(std::string(100'000, 'x'));
    for (Index i = 0; i < 3; ++i) {
        bench.raw_results(i, 1, body);
        if (i == 2) break;
        bench.raw_results(2, 1, body);
        bench.later(5ms);
        CHECK(bench.gathered() == std::vector<Range>{{i, i + 1}});
        bench.committed();
    }
    CHECK(bench.gathered() == std::vector<Range>{{2, 3}});
    CHECK(bench.broker<wire::Propose>().outcome == Outcome::complete);
}

TEST_CASE(
    "durable gatherer: when the books of results alone exceed the memory, the job ends as lost, "
    "also after a restart") {
    Disk disk;
    Process gatherer{disk};
    gatherer.memory_bytes = 50'000;
    gatherer.start();
    gatherer.from_broker(wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
    gatherer.from_broker(wire::Assign{.job = job_number(1), .assignment = 1, .total = 1000});
    for (Index i = 0; i < 1000; ++i) {
        gatherer.step(Pulled{wire::Results{.job = job_number(1), .first = i, .count = 1},
                             Slice::take(value(i))});
        gatherer.commit_all();
    }
    auto lost = [&] {
        for (const Action& action : gatherer.said)
            if (auto* to = std::get_if<SendBroker>(&action))
                if (auto* propose = std::get_if<wire::Propose>(&to->message))
                    return propose->lost && propose->outcome == Outcome::failed;
        return false;
    };
    CHECK(lost());
    gatherer.start();
    gatherer.from_broker(wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
    CHECK(lost());
}

TEST_CASE("durable gatherer: another life holds no more in memory than it may") {
    Disk disk;
    Process gatherer{disk};
    gatherer.from_broker(wire::Assign{.job = job_number(1), .assignment = 1, .total = 100});
    for (Index i = 0; i < 100; ++i)
        gatherer.step(Pulled{wire::Results{.job = job_number(1), .first = i, .count = 1},
                             Slice::take(large(i))});
    gatherer.commit_all();
    CHECK(gatherer.core->memory_bytes() > 2'000'000);
    Core core(Bench::durable_with(memory));
    std::size_t rows = 0;
    disk.each([&](const Record& record) {
        core.restore(record);
        REQUIRE(core.unreadable_rows() == 0);
        CHECK(core.memory_bytes() <= memory);
        ++rows;
    });
    CHECK(rows > 100);
    CHECK(core.held_bytes() > 2'000'000);
}
