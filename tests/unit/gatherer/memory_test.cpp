// A gatherer with a store holds far more than its memory: bodies are spilled, and fetched when a
// collector comes to them.
#include <doctest/doctest.h>

#include "tests/support/gatherer_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::gatherer;

namespace {

constexpr std::uint64_t memory = 200'000;

std::string large(Index index) {
    return wire::pack_text(std::string(20'000, 'x') + std::to_string(index));
}

/// A job of 40 fragments in 10 times 80,000 bytes, of which memory holds two and a half.
struct Large : Stage {
    explicit Large(bool attached = false) : Stage(durable_with(memory)) {
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
        CHECK(expect<wire::Propose>().outcome == Outcome::complete);
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
        for (Send& send : expect_all<Send>()) inbox[send.to.bytes].push_back(std::move(send));
    }
    void answer_all() {
        for (stash(); !fetches.empty(); stash()) answer();
    }

    std::map<std::string, std::deque<Send>> inbox;
};

}  // namespace

TEST_CASE(
    "durable gatherer: a job larger than memory is held in the store, and collected from it") {
    Large stage;
    stage.complete();
    CHECK(stage.core.held_bytes() > 800'000);
    CHECK(stage.fetches.empty());
    bool in_order = false;
    SUBCASE("in order") { in_order = true; }
    SUBCASE("as completed") {}
    stage.collect("c1", {.ordered = in_order, .credit = 100'000});
    stage.stash();
    CHECK(stage.inbox["c1"].size() == 1);  // what comes first was kept in memory
    for (Index run = 0; run < 10; ++run) stage.takes("c1", run, in_order);
    CHECK(stage.next<wire::Concluded>("c1").first.values == 40);
    CHECK(stage.fetches.empty());
    CHECK(stage.core.held_bytes() > 800'000);
}

TEST_CASE("durable gatherer: the credit of a collector bounds what is fetched for it") {
    Large stage;
    stage.complete();
    stage.collect("c1", {.credit = 1 << 20});
    stage.answer_all();
    for (Index run = 0; run < 10; ++run) stage.takes("c1", run, false);
    stage.next<wire::Concluded>("c1");
    stage.collect("c2", {.credit = 1});
    stage.answer_all();
    CHECK(stage.inbox["c2"].size() == 1);
}

TEST_CASE(
    "durable gatherer: a collector that keeps up is sent each value as it comes, and nothing is "
    "fetched") {
    Large stage(true);
    stage.collect("c1", ordered);
    for (Index run = 0; run < 10; ++run) {
        stage.raw_results(4 * run, 4, Large::body(run));
        stage.stash();
        if (run == 9) {
            stage.gathered();
            stage.expect<wire::Propose>();
        }
        if (run >= 5) stage.takes("c1", run - 5, true);  // it writes slowly
    }
    CHECK(stage.fetches.empty());
    CHECK(stage.core.memory_bytes() <= memory);
    for (Index run = 5; run < 10; ++run) stage.takes("c1", run, true);
    stage.next<wire::Concluded>("c1");
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE("durable gatherer: what the broker hears of held bytes is in memory or not") {
    Large stage(true);
    stage.push(5);
    stage.later(5ms);
    CHECK(stage.expect<wire::Gathered>().held_bytes > 400'000);
}

TEST_CASE("durable gatherer: fetches are few at a time, and everybody gets a turn") {
    Large stage;
    stage.complete();
    for (const char* peer : {"c1", "c2", "c3"}) {
        stage.collect(peer, {.credit = 1 << 20});
        stage.stash();
    }
    std::size_t least = 0;
    for (std::size_t most = 0; !stage.fetches.empty(); stage.stash()) {
        CHECK(stage.fetches.size() == 1);  // one body is more than the share of memory for this
        stage.answer();
        for (const char* peer : {"c1", "c2", "c3"}) most = std::max(most, stage.inbox[peer].size());
        least = stage.inbox["c3"].size();
        CHECK(least + 3 >= most);
    }
    for (const char* peer : {"c1", "c2", "c3"}) {
        for (Index run = 0; run < 10; ++run) stage.takes(peer, run, false);
        stage.next<wire::Concluded>(peer);
    }
}

TEST_CASE("durable gatherer: a collector that goes while its value is fetched harms nobody") {
    Large stage;
    stage.complete();
    stage.collect("c1", ordered);
    stage.stash();
    stage.collect("c2", {.credit = 1 << 20});
    stage.stash();
    stage.step(Unroutable{{"c1"}});
    stage.answer_all();
    for (Index run = 0; run < 10; ++run) stage.takes("c2", run, false);
    stage.next<wire::Concluded>("c2");
}

TEST_CASE(
    "durable gatherer: a fetch of a forgotten job is not taken for one of another job with its "
    "id") {
    Large stage;
    stage.complete();
    stage.collect("c1", ordered);
    for (Index run : {0, 1}) stage.takes("c1", run, true);  // the first ones are in memory
    REQUIRE(stage.fetches.size() == 1);
    Fetch old = stage.fetches.front();
    stage.fetches.clear();
    stage.say(wire::Forget{stage.job});
    stage.expect<wire::Forgotten>();
    stage.next<wire::Refused>("c1");
    stage.assign(40);
    stage.push();
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.collect("c2", ordered);
    stage.stash();
    CHECK(stage.fetches.empty());  // the old one is still on its way
    stage.step(Fetched{.record = {.job = old.job, .kind = old.kind, .number = old.number},
                       .sound = false});
    for (Index run = 0; run < 10; ++run) stage.takes("c2", run, true);
    CHECK(stage.next<wire::Concluded>("c2").first.values == 40);
}

TEST_CASE(
    "durable gatherer: a run across the total that is cut while it is spilled comes cut from the "
    "store") {
    Stage stage(Stage::durable_with(2'000));
    stage.assign(std::nullopt);
    std::string body;
    for (Index i = 0; i < 4; ++i) body += large(i);
    stage.raw_results(0, 4, body);
    CHECK(stage.core.memory_bytes() < 2'000);
    stage.assign(3);
    stage.warned();
    stage.gathered();
    stage.expect<wire::Propose>();
    stage.collect("c1", {.ordered = true, .position = 1});
    stage.answer();
    Slice bytes;
    auto values = stage.expect<wire::Values>("c1", &bytes);
    CHECK(values.first == 1);
    CHECK(values.count == 2);
    CHECK(bytes.view() == large(1) + large(2));
    CHECK(stage.expect<wire::Concluded>("c1").values == 3);
}

// --- damage

TEST_CASE(
    "durable gatherer: a value that can't be read back ends a running job as failed, and no "
    "collector is shown less") {
    Large stage;
    stage.push(9);
    stage.later(5ms);
    stage.gathered();
    stage.collect("c1", ordered);
    for (Index run : {0, 1}) stage.takes("c1", run, true);  // the first ones are in memory
    REQUIRE(stage.fetches.size() == 1);
    Fetch asked = stage.fetches.front();
    stage.fetches.clear();
    SUBCASE("there is no such row") {
        stage.step(Fetched{.record = {.job = asked.job, .kind = asked.kind, .number = asked.number},
                           .sound = false});
    }
    SUBCASE("it is another one") {
        Record other = stage.rows.at({asked.job, asked.kind, asked.number + 1});
        other.number = asked.number;
        stage.step(Fetched{.record = other});
    }
    SUBCASE("it is cut") {
        Record cut = stage.rows.at({asked.job, asked.kind, asked.number});
        cut.body = cut.body.sub(0, cut.body.size() - 1);
        stage.step(Fetched{.record = cut});
    }
    CHECK(stage.warned().level == Level::error);
    auto propose = stage.expect<wire::Propose>();
    CHECK(propose.outcome == Outcome::failed);
    CHECK(propose.lost);
    CHECK(propose.reason.find(
              "the gatherer's state in /state is damaged: what was kept of fragments 8-11") == 0);
    auto refused = stage.next<wire::Refused>("c1").first;
    CHECK(refused.code == wire::RefusalCode::conflict);
    CHECK(refused.text.find("/state is damaged") != std::string::npos);
    stage.collect("c2", ordered);
    CHECK(stage.next<wire::Refused>("c2").first.text == refused.text);
    stage.ended(Outcome::failed, propose.reason);
    stage.collect("c2", ordered);
    auto concluded = stage.next<wire::Concluded>("c2").first;
    CHECK(concluded.outcome == Outcome::failed);
    CHECK(concluded.values == 0);
    CHECK(stage.core.held_bytes() == 0);
}

TEST_CASE(
    "durable gatherer: a value of an ended job that can't be read back: its collectors are refused "
    "each time") {
    Large stage;
    stage.complete();
    stage.collect("c1", ordered);
    for (Index run : {0, 1}) stage.takes("c1", run, true);
    stage.fetches.clear();
    stage.step(Fetched{
        .record = {.job = stage.job, .kind = static_cast<std::uint8_t>(Row::entry), .number = 2},
        .sound = false});
    CHECK(stage.warned().level == Level::error);
    stage.next<wire::Refused>("c1");
    stage.collect("c2", ordered);
    CHECK(stage.next<wire::Refused>("c2").first.text.find("fragments 8-11") != std::string::npos);
}

// --- what waits for the disk

TEST_CASE("durable gatherer: results that the disk is not ready for stay with their workers") {
    Large stage;
    stage.commits = false;
    for (Index run = 0; run < 10; ++run) stage.raw_results(4 * run, 4, Large::body(run));
    stage.later(5ms);
    CHECK(stage.gathered() == std::vector<Range>{{0, 8}});  // as many as fit
    stage.raw_results(8, 4, Large::body(2));
    stage.committed();
    stage.raw_results(8, 4, Large::body(2));
    stage.later(5ms);
    CHECK(stage.gathered() == std::vector<Range>{{8, 12}});
}

TEST_CASE(
    "durable gatherer: with nothing waiting for the disk one result is taken, whatever its size") {
    Stage stage(Stage::durable_with(30'000));
    stage.commits = false;
    stage.assign(3);
    std::string body = wire::pack_bytes(std::string(100'000, 'x'));
    for (Index i = 0; i < 3; ++i) {
        stage.raw_results(i, 1, body);
        if (i == 2) break;
        stage.raw_results(2, 1, body);
        stage.later(5ms);
        CHECK(stage.gathered() == std::vector<Range>{{i, i + 1}});
        stage.committed();
    }
    CHECK(stage.gathered() == std::vector<Range>{{2, 3}});
    CHECK(stage.expect<wire::Propose>().outcome == Outcome::complete);
}

TEST_CASE(
    "durable gatherer: when the books of results alone exceed the memory, the job ends as lost, "
    "also after a restart") {
    Disk disk;
    Process gatherer{disk};
    gatherer.memory_bytes = 50'000;
    gatherer.start();
    gatherer.say(wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
    gatherer.say(wire::Assign{.job = job_number(1), .assignment = 1, .total = 1000});
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
    gatherer.say(wire::Welcome{.epoch = {1, 1}, .timeout = wire::Milliseconds{3'600'000}});
    CHECK(lost());
}

TEST_CASE("durable gatherer: another life holds no more in memory than it may") {
    Disk disk;
    Process gatherer{disk};
    gatherer.say(wire::Assign{.job = job_number(1), .assignment = 1, .total = 100});
    for (Index i = 0; i < 100; ++i)
        gatherer.step(Pulled{wire::Results{.job = job_number(1), .first = i, .count = 1},
                             Slice::take(large(i))});
    gatherer.commit_all();
    CHECK(gatherer.core->memory_bytes() > 2'000'000);
    Core core(Stage::durable_with(memory));
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
