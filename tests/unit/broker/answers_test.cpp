// What a client of another make may get wrong, and what it is told.
#include <doctest/doctest.h>

#include "shared/wire/digest.hpp"
#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("a Hello with fewer fields is answered: by Welcome, or by a refusal of its version") {
    Stage stage;
    auto say = [&](const char* peer, std::string_view bytes) {
        auto message = wire::decode(bytes);
        REQUIRE(message);
        stage.say(peer, *std::move(message));
    };
    say("a", "\x92\x01\x01");
    CHECK(stage.expect<wire::Welcome>("a").major == wire::version_major);
    say("b", "\x91\x01");
    CHECK(stage.expect<wire::Refused>("b").code == wire::RefusalCode::version);
}

TEST_CASE("a first block without a spec is refused by name, to the clients of its key alone") {
    Tenants<Stage> stage;
    stage.skip();
    wire::Block block{.job = job_number(7), .token = 1, .first = 0, .count = 1, .stride = 1};
    stage.block(block, Slice::copy("\x07"), ada);
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::malformed);
    CHECK(refused.job == block.job);
    CHECK(refused.text.find("no spec") != std::string::npos);
    CHECK(stage.silent());
    CHECK(stage.core->jobs().empty());
    SUBCASE("a later one of a job that is not known is none of that") {
        block.first = 1;
        stage.block(block, Slice::copy("\x07"), ada);
        CHECK(stage.silent());
    }
    SUBCASE("and a flood of them gets few answers") {
        for (int i = 0; i < 1000; ++i) stage.block(block, Slice::copy("\x07"), ada);
        const std::size_t answers = stage.expect_all<wire::Refused>("a").size();
        CHECK(answers > 0);
        CHECK(answers <= 10);
        stage.now += 1s;
        stage.block(block, Slice::copy("\x07"), ada);
        CHECK(stage.expect_all<wire::Refused>("a").size() == 1);
    }
}

TEST_CASE("a seal above what is accepted is answered with what is accepted, and waits") {
    Fleet fleet;
    fleet.ignore<wire::Assign, wire::Dispatch>();
    wire::Block block{.job = job_number(1), .token = 1, .first = 0, .count = 2, .stride = 16};
    block.spec = Stage::spec();
    fleet.block(block, Slice::copy("\x01\x02"));
    CHECK(fleet.expect<wire::Accepted>("c").next == 2);
    for (int i = 0; i < 2; ++i) {
        fleet.say("c", wire::Seal{.job = block.job, .token = 1, .total = 3});
        CHECK(fleet.expect<wire::Accepted>("c").next == 2);
    }
    block.first = 2, block.count = 1, block.spec.reset();
    fleet.block(block, Slice::copy("\x03"));
    fleet.opened_by("c");
}

namespace {
std::string hash_of(std::string_view payloads) {
    wire::Digest digest;
    digest.add(payloads);
    return digest.value();
}

/// Opens a job with a key, of two fragments so far.
wire::Block begin_keyed(Tenants<Stage>& stage, std::string digest) {
    wire::Block block = stage.first(1, "a", "K");
    block.count = 2, block.stride = 16, block.digest = std::move(digest);
    stage.block(block, Slice::copy("\x01\x02"), ada);
    return block;
}
}  // namespace

TEST_CASE("a first block whose digest is wrong opens no job, and leaves the key free") {
    Tenants<Stage> stage;
    stage.skip();
    begin_keyed(stage, hash_of("\x01\x03"));
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::malformed);
    CHECK(refused.text.find("digest of the block at fragment 0") != std::string::npos);
    CHECK(stage.core->jobs().empty());
    begin_keyed(stage, hash_of("\x01\x02"));
    CHECK(stage.core->jobs().size() == 1);
}

TEST_CASE("a later digest counts all payloads before it; a wrong one ends the job") {
    Tenants<Stage> stage;
    wire::Block block = begin_keyed(stage, hash_of("\x01\x02"));
    stage.skip();
    block.spec.reset();
    block.first = 2, block.count = 1;
    const Job& job = stage.core->jobs().at(block.job);
    SUBCASE("right") {
        block.digest = hash_of("\x01\x02\x03");
        block.total = 3;
        stage.block(block, Slice::copy("\x03"), ada);
        CHECK(job.total() == 3);
    }
    SUBCASE("wrong") {
        block.digest = hash_of("\x03");
        stage.block(block, Slice::copy("\x03"), ada);
        CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::malformed);
        CHECK(job.life->end.outcome == wire::Outcome::failed);
        CHECK(job.books.next() == 2);
    }
    SUBCASE("of a block that comes again nothing is asked") {
        block.first = 0, block.count = 2, block.digest = hash_of("");
        stage.block(block, Slice::copy("\x01\x02"), ada);
        CHECK(job.running());
    }
    SUBCASE("without one, the next counts these payloads too") {
        block.digest.clear();
        stage.block(block, Slice::copy("\x03"), ada);
        block.first = 3, block.digest = hash_of("\x01\x02\x03\x04");
        stage.block(block, Slice::copy("\x04"), ada);
        CHECK(job.running());
        CHECK(job.books.next() == 4);
    }
}
