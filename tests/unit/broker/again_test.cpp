#include <doctest/doctest.h>

#include "shared/wire/digest.hpp"
#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
wire::JobSpec keyed(const char* key) {
    auto spec = Stage::spec();
    spec.key = key;
    return spec;
}

wire::Found find(Stage& stage, const char* client, const char* key, std::uint64_t token = 9) {
    stage.skip<wire::Accepted>(client);
    stage.say(client, wire::Find{.number = 4, .key = key, .token = token});
    for (int i = 0; i < 20 && stage.silent(client); ++i) stage.pass(100ms);
    auto found = stage.expect<wire::Found>(client);
    CHECK(found.number == 4);
    return found;
}

/// The first message of this kind to the peer; others before it are passed over.
template <class T>
T next(Stage& stage, const char* peer, Slice* body = nullptr) {
    return stage.expect<T>(peer, body);
}

std::string digest_of(std::string_view payloads) {
    wire::Digest digest;
    digest.add(payloads);
    return digest.value();
}

/// Two fragments of three, and no seal.
JobId begin(Stage& stage, const char* key) {
    wire::Block first{.job = job_number(1), .token = 1, .first = 0, .count = 2, .stride = 16};
    first.spec = keyed(key);
    first.digest = digest_of("\x01\x02");
    stage.block(first, Slice::copy("\x01\x02"));
    return job_number(1);
}

/// A job of three of which the second fails and the rest is safe.
JobId partial(Stage& stage, wire::JobSpec spec = Stage::spec()) {
    JobId job = stage.open(1, 3, std::move(spec));
    for (Index index = 0; index < 3; ++index)
        if (index == 1) stage.failed("w", job, index);
        else stage.done("w", job, {index, index + 1}, 1s);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 3}}});
    stage.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::partial});
    CHECK(stage.core->jobs().at(job).life->end.outcome == wire::Outcome::partial);
    stage.skip<wire::Accepted, wire::Assign, wire::Dispatch, wire::Drop, wire::Ended, wire::Errors,
               wire::Sealed>();
    return job;
}
}  // namespace

TEST_CASE("a key finds its job, as far as it is accepted, also after a restart") {
    Durable stage;
    stage.fleet();
    CHECK_FALSE(find(stage, "c", "K").job.has_value());
    JobId job = begin(stage, "K");
    SUBCASE("in one life") {}
    SUBCASE("after a restart") {
        stage.restart();
        stage.fleet();
    }
    auto found = find(stage, "c", "K", 1);  // its own
    CHECK(found.job == job);
    CHECK_FALSE(found.busy);
    CHECK(found.spec.function == "f");
    CHECK(found.next == 2);
    CHECK(found.bytes == 2);
    CHECK(found.limit > 2);
    CHECK(found.digest == digest_of("\x01\x02"));
    CHECK_FALSE(found.total.has_value());
}

TEST_CASE(
    "an unfinished submission is busy while its client is there, and goes to the next one when it "
    "is not") {
    Durable stage;
    stage.fleet();
    JobId job = begin(stage, "K");
    stage.client("d", 6);
    CHECK(find(stage, "d", "K").busy);
    CHECK(stage.job(job).client->token == 1);
    stage.step(Unroutable{{"c"}});
    CHECK_FALSE(find(stage, "d", "K").busy);
    wire::Block rest{.job = job, .token = 1, .first = 2, .count = 1, .stride = 16};
    stage.block(rest, Slice::copy("\x03"));
    CHECK(stage.job(job).books.next() == 2);  // from the client that lost it
    rest.token = 9;
    rest.total = 3;
    stage.block(rest, Slice::copy("\x03"));
    CHECK(stage.job(job).total() == 3);
    stage.restart();
    CHECK(stage.job(job).client->token == 9);
    CHECK(stage.job(job).client->incarnation == 6);
}

TEST_CASE("a client that dies while another asks for its key loses it at once") {
    Durable stage;
    stage.fleet();
    begin(stage, "K");
    stage.client("d", 6);
    stage.say("d", wire::Find{.number = 4, .key = "K", .token = 9});
    CHECK(stage.silent("d"));
    stage.step(Unroutable{{"c"}});
    stage.pass(100ms);
    CHECK_FALSE(stage.expect<wire::Found>("d").busy);
}

TEST_CASE("who comes back to a submission that another has taken over is told so") {
    Durable stage;
    stage.fleet();
    JobId job = begin(stage, "K");
    stage.skip("c");
    stage.step(Unroutable{{"c"}});
    stage.client("d", 6);
    CHECK(find(stage, "d", "K").job == job);
    stage.client("c2");  // the same life as c
    stage.say("c2", wire::Seal{.job = job, .token = 1, .total = 3});
    auto refused = stage.expect<wire::Refused>("c2");
    CHECK(refused.code == wire::RefusalCode::conflict);
    CHECK(refused.job == job);
    CHECK(refused.text.find("another client has taken over the submission of job ") == 0);
    stage.step(Pulled{wire::Mark{.job = job, .owner = {"c2"}, .number = 1}, {}, {}});
    CHECK(stage.expect<wire::Refused>("c2").job == job);
    stage.expect<wire::Marked>("c2");
    wire::Block rest{.job = job, .token = 9, .first = 2, .count = 1, .stride = 16, .total = 3};
    rest.digest = digest_of("\x01\x02\x03");
    stage.block(rest, Slice::copy("\x03"));
    stage.say("c2", wire::Seal{.job = job, .token = 1, .total = 3});
    CHECK(stage.expect<wire::Refused>("c2").code == wire::RefusalCode::conflict);
    CHECK(stage.job(job).total() == 3);
}

TEST_CASE("an unfinished submission with a key waits for its client longer than one without") {
    Durable stage;
    stage.fleet();
    JobId job = begin(stage, "K");
    stage.step(Unroutable{{"c"}});
    stage.live(60s);
    CHECK(stage.job(job).running());
}

TEST_CASE("a second job with a key that is taken is refused") {
    Durable stage;
    stage.fleet();
    JobId job = begin(stage, "K");
    stage.skip("c");
    stage.open(2, 1, keyed("K"));
    auto refused = next<wire::Refused>(stage, "c");
    CHECK(refused.code == wire::RefusalCode::conflict);
    CHECK(refused.job == job_number(2));
    CHECK(refused.text.find(to_string(job)) != std::string::npos);
}

TEST_CASE("a retry runs again what failed, and nothing else") {
    bool killed_before = false, killed_then = false;
    SUBCASE("in one life") {}
    SUBCASE("of a job of an earlier life") { killed_before = true; }
    SUBCASE("by the life after") { killed_then = true; }
    SUBCASE("in three lives") { killed_before = killed_then = true; }
    Durable stage;
    stage.fleet();
    JobId job = partial(stage);
    if (killed_before) {
        stage.restart();
        stage.fleet();
        stage.skip();
    }
    stage.say("c", wire::Retry{job});
    auto retried = next<wire::Retried>(stage, "c");
    CHECK(retried.round == 1);
    CHECK(retried.fragments == 1);
    auto assign = next<wire::Assign>(stage, "g");
    CHECK(assign.round == 1);
    CHECK(assign.assignment == 2);
    CHECK(assign.total == 3);
    if (killed_then) {
        stage.restart();
        CHECK(stage.job(job).running());
        CHECK(stage.job(job).life->round == 1);
        CHECK(stage.job(job).assignment->number == 2);
        CHECK(stage.job(job).books.settled().safe().size() == 2);
        CHECK(stage.job(job).books.settled().failed().size() == 0);
        stage.fleet();
        stage.live(6s);
    }
    stage.serve();
    Slice body;
    CHECK(next<wire::Dispatch>(stage, "w", &body).first == 1);
    CHECK(body.view() == "\x07");
    CHECK(stage.expect_all<wire::Dispatch>("w").empty());
    stage.done("w", job, {1, 2}, 1s);
    stage.say("g",
              wire::Gathered{.job = job, .ranges = {{0, 3}}, .round = 0});  // late, from before
    CHECK(stage.job(job).books.settled().safe().size() == 2);
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 3}}, .round = 1});
    CHECK(stage.job(job).books.settled().safe().size() == 3);
    stage.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::partial});
    CHECK(stage.job(job).running());
    stage.say(
        "g",
        wire::Propose{
            .job = job, .assignment = 2, .outcome = wire::Outcome::complete, .every_value = true});
    CHECK(stage.job(job).life->end.outcome == wire::Outcome::complete);
    CHECK(stage.rows(rows::Kind::block) == 0);
    CHECK(stage.rows(rows::Kind::error) == 0);
}

TEST_CASE("a cancelled job is retried with all that it lacks, twice if need be") {
    Durable stage;
    stage.fleet();
    JobId job = stage.open(1, 3);
    for (std::uint32_t round = 1; round <= 2; ++round) {
        stage.say("c", wire::Cancel{.job = job});
        stage.skip();
        stage.say("c", wire::Retry{job});
        auto retried = next<wire::Retried>(stage, "c");
        CHECK(retried.round == round);
        CHECK(retried.fragments == 3);
        CHECK(stage.rows(rows::Kind::round) == 1);
        CHECK(stage.rows(rows::Kind::ended) == 0);
        stage.pass(2ms);
    }
}

TEST_CASE("what can't be retried is refused with the reason") {
    Stage stage;
    stage.ignore<wire::Assign, wire::Dispatch, wire::Drop, wire::Ended>();
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    auto reason = [&](JobId job) {
        stage.skip<wire::Accepted, wire::Ended, wire::Sealed>("c");
        stage.say("c", wire::Retry{job});
        auto refused = next<wire::Refused>(stage, "c");
        CHECK(refused.job == job);
        return refused.text;
    };
    CHECK(reason(job_number(5)).find("no job") != std::string::npos);
    JobId running = stage.open(2, 1);
    CHECK(reason(running).find("still runs") != std::string::npos);
    stage.done("w", running, {0, 1}, 1s);
    stage.say("g", wire::Gathered{.job = running, .ranges = {{0, 1}}});
    stage.say("g", wire::Propose{.job = running,
                                 .assignment = 1,
                                 .outcome = wire::Outcome::complete,
                                 .every_value = true});
    CHECK(reason(running).find("has a value") != std::string::npos);
    auto attached = Stage::spec();
    attached.attached = true;
    CHECK(reason(partial(stage, attached)).find("run it again") != std::string::npos);
    JobId lost = stage.open(3, 2);
    stage.say("g",
              wire::Propose{
                  .job = lost, .assignment = 1, .outcome = wire::Outcome::failed, .lost = true});
    CHECK(reason(lost).find("lost") != std::string::npos);
}

TEST_CASE("without a store a retry works as well") {
    Stage stage;
    stage.ignore<wire::Assign, wire::Located>();
    stage.client("c");
    stage.gatherer("g");
    stage.worker("w");
    JobId job = partial(stage);
    stage.say("c", wire::Retry{job});
    CHECK(next<wire::Retried>(stage, "c").fragments == 1);
    Slice body;
    CHECK(next<wire::Dispatch>(stage, "w", &body).first == 1);
    CHECK(body.view() == "\x07");
}

TEST_CASE("a forgotten job is gone, its key is free, and its gatherer is told until it says so") {
    Durable stage;
    stage.fleet();
    JobId running = stage.open(2, 1);
    stage.skip("c");
    stage.say("c", wire::Forget{running});
    CHECK(next<wire::Refused>(stage, "c").code == wire::RefusalCode::conflict);
    stage.done("w", running, {0, 1}, 1s);
    JobId job = partial(stage, keyed("K"));
    stage.say("c", wire::Forget{job});
    CHECK(next<wire::Forgotten>(stage, "c").job == job);
    CHECK_FALSE(stage.core->jobs().contains(job));
    CHECK_FALSE(find(stage, "c", "K").job.has_value());
    CHECK(next<wire::Forget>(stage, "g").job == job);
    stage.skip("c");
    stage.block(
        {.job = job, .token = 1, .first = 0, .count = 1, .stride = 1, .spec = Stage::spec()},
        Slice::copy("\x07"));  // it was late
    CHECK_FALSE(stage.core->jobs().contains(job));
    stage.restart();
    stage.fleet();
    auto forgets = [&] {
        stage.live(3s);
        return stage.expect_all<wire::Forget>("g").size();
    };
    CHECK(forgets() > 0);
    stage.say("g", wire::Forgotten{job});
    CHECK(forgets() == 0);
    for (const auto& [key, record] : stage.disk) CHECK(record.job != job);
}

TEST_CASE("an ended job is forgotten when its time is over") {
    Durable stage;
    auto options = stage.durable();
    options.keep = 10s;
    stage.core = std::make_unique<Core>(options);
    stage.fleet();
    JobId job = partial(stage);
    stage.live(9s);
    CHECK(stage.core->jobs().contains(job));
    stage.live(2s);
    CHECK_FALSE(stage.core->jobs().contains(job));
}
