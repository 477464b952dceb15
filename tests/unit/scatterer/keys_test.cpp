// The scatterer's core and outbox with jobs that have a key: found again, compared, gone on with;
// retried and forgotten.
#include <doctest/doctest.h>

#include "fanfold/scatterer.hpp"
#include "scatterer/client/outbox.hpp"
#include "tests/support/scatterer_harness.hpp"

using namespace fanfold;
using namespace fanfold::scatterer;
using namespace fanfold::scatterer::testing;

namespace {

std::string digest_of(std::string_view bytes) {
    wire::Digest digest;
    digest.add(bytes);
    return digest.value();
}

OpenJob keyed(const JobId& id = job) {
    OpenJob opening{.job = id, .token = 77, .spec = spec(false), .collect = {}};
    opening.spec.key = "K";
    return opening;
}

/// Ten fragments of two bytes each, "\xa1" and a letter.
std::string ten() {
    std::string bytes;
    for (char letter = 'a'; letter < 'k'; ++letter) bytes += {'\xa1', letter};
    return bytes;
}

wire::Found found_ten() {
    wire::Found found{.number = 1, .job = job};
    found.spec.key = "K";
    found.next = 10;
    found.bytes = 20;
    found.limit = 1000;
    found.digest = digest_of(ten());
    return found;
}

/// An outbox of a job that was found, and what it posts.
struct OutboxStage {
    explicit OutboxStage(const wire::Found& found) {
        std::optional<OpenJob> opening;
        if (!found.total && found.outcome == wire::Outcome::running) opening = keyed();
        outbox.emplace(found, std::move(opening),
                       BlockBuilder::Limits{.payload_bytes = 1000, .block_bytes = 8}, ways());
    }
    explicit OutboxStage(OpenJob opening) {
        outbox.emplace(std::move(opening),
                       BlockBuilder::Limits{.payload_bytes = 1000, .block_bytes = 8}, 1000, ways());
    }
    Outbox::Ways ways() {
        return {.post =
                    [this](std::vector<Event> events) {
                        for (Event& event : events) posted.push_back(std::move(event));
                    },
                .look_soon = [this] { ++looks_wanted; },
                .while_waiting = [] {},
                .inbox = inbox};
    }
    void add(std::string_view letters) {
        for (char letter : letters) outbox->add_text(std::string(1, letter));
    }
    template <class Call>
    std::string differs(Call&& call) {
        try {
            call();
        } catch (const JobDiffers& error) {
            return error.what();
        }
        return "(nothing was thrown)";
    }
    std::vector<AppendBlock> blocks() {
        std::vector<AppendBlock> all;
        for (Event& event : posted)
            if (auto* block = std::get_if<AppendBlock>(&event)) all.push_back(*block);
        return all;
    }

    std::vector<Event> posted;
    int looks_wanted = 0;
    std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();
    std::optional<Outbox> outbox;
};

}  // namespace

TEST_CASE(
    "the digest is XXH3 of 128 bits, the most significant byte first, and does not depend on the "
    "pieces") {
    CHECK(digest_of("") ==
          std::string("\x99\xaa\x06\xd3\x01\x47\x98\xd8\x60\x01\xc3\x24\x46\x8d\x49\x7f", 16));
    wire::Digest pieces;
    pieces.add("ab");
    CHECK(pieces.value() == digest_of("ab"));
    pieces.add("cd");
    CHECK(pieces.value() == digest_of("abcd"));
}

TEST_CASE("each block of a job with a key has the digest up to its end") {
    OutboxStage stage(keyed());
    stage.add("abcde");
    stage.outbox->seal();
    auto blocks = stage.blocks();
    REQUIRE(blocks.size() > 1);
    for (const AppendBlock& one : blocks)
        CHECK(one.block.digest == digest_of(ten().substr(0, 2 * one.block.end())));
    CHECK(blocks.back().total == 5);
    REQUIRE(blocks[0].block.count == 2);
    CHECK(rest_of(blocks[0].block, 1)->digest == blocks[0].block.digest);
    CHECK(stage.outbox->inputs_agree());
}

TEST_CASE("a job without a key has no digests") {
    OutboxStage stage(OpenJob{.job = job, .token = 77, .spec = spec(), .collect = {}});
    stage.add("a");
    stage.outbox->seal();
    REQUIRE(stage.blocks().size() == 1);
    CHECK(stage.blocks()[0].block.digest.empty());
}

TEST_CASE("what a job has is compared and not sent; what follows is, with its digest") {
    OutboxStage stage(found_ten());
    CHECK_FALSE(stage.outbox->inputs_agree());
    stage.add("abcdefghi");
    stage.outbox->flush_own();
    CHECK_FALSE(stage.outbox->look());
    CHECK_FALSE(stage.outbox->inputs_agree());
    stage.add("j");
    CHECK(stage.outbox->inputs_agree());
    CHECK(stage.posted.empty());
    stage.add("kl");
    stage.outbox->seal();
    auto blocks = stage.blocks();
    REQUIRE(blocks.size() == 1);
    CHECK(blocks[0].block.first == 10);
    CHECK(blocks[0].block.count == 2);
    CHECK(blocks[0].block.digest == digest_of(ten() + "\xa1k\xa1l"));
    CHECK(blocks[0].total == 12);
}

TEST_CASE("a job that was left just before its seal is sealed") {
    OutboxStage stage(found_ten());
    stage.add("abcdefghij");
    stage.outbox->open();
    stage.outbox->seal();
    REQUIRE(stage.posted.size() == 2);
    auto seal = std::get<SealJob>(stage.posted[1]);
    CHECK(seal.total == 10);
}

TEST_CASE("other inputs, and fewer: errors that tell the difference, each time") {
    OutboxStage stage(found_ten());
    std::string text = stage.differs([&] { stage.add("abcdefghiX"); });
    CHECK(text == "job key 'K': the inputs differ from those of job " + to_string(job) +
                      " among the first 10 fragments; use another key, or forget that job");
    CHECK(stage.differs([&] { stage.add("k"); }) == text);
    CHECK(stage.differs([&] { stage.outbox->seal(); }) == text);
    CHECK(stage.posted.empty());

    OutboxStage fewer(found_ten());
    fewer.add("abc");
    CHECK(fewer.differs([&] { fewer.outbox->seal(); }) ==
          "job key 'K': job " + to_string(job) +
              " has 10 fragments, and the inputs end after 3; use another key, or forget that job");
    CHECK(fewer.posted.empty());
}

TEST_CASE("a job that is sealed takes the same inputs again, and no more") {
    wire::Found found = found_ten();
    found.total = 10;
    SUBCASE("while it runs") {}
    SUBCASE("when it is complete") { found.outcome = wire::Outcome::complete; }
    SUBCASE("when it has failed") { found.outcome = wire::Outcome::partial; }
    OutboxStage stage(found);
    stage.add("abcdefghi");
    stage.inbox->stop({Stop::Kind::ended, "it has ended"});  // that keeps nobody from comparing
    stage.add("j");
    CHECK_FALSE(stage.outbox->inputs_agree());
    SUBCASE("the same") {
        stage.outbox->seal();
        CHECK(stage.outbox->inputs_agree());
        stage.outbox->wait_sealed();
    }
    SUBCASE("more") {
        CHECK(stage.differs([&] { stage.add("k"); }) ==
              "job key 'K': job " + to_string(job) +
                  " has 10 fragments, and the inputs go on past them; use another key, or forget "
                  "that job");
    }
    CHECK(stage.posted.empty());
}

TEST_CASE("a job that ended before it was whole takes no more, and says what can be done") {
    wire::Found found = found_ten();
    found.outcome = wire::Outcome::cancelled;
    OutboxStage stage(found);
    stage.add("abcdefghij");
    CHECK(stage.outbox->inputs_agree());
    std::string id = to_string(job);
    CHECK_THROWS_WITH_AS(stage.add("k"),
                         ("job " + id + " has ended as cancelled; fanfold retry " + id +
                          " runs again what failed, fanfold forget " + id + " frees the key")
                             .c_str(),
                         JobOver);
    CHECK_THROWS_AS(stage.outbox->wait_sealed(), FanfoldError);
    CHECK(stage.posted.empty());
}

TEST_CASE(
    "a continued job: its gatherer is asked for, blocks begin behind what is accepted, the seal "
    "follows") {
    Stage stage;
    stage.connect();
    OpenJob opening = keyed();
    opening.continues = {.next = 10, .bytes = 95, .limit = 100};
    stage.step(std::move(opening));
    CHECK(stage.expect<wire::Watch>().job == job);
    stage.step(CollectJob{job, {}});
    stage.locate("G1", 1);
    stage.expect<JobLocated>();
    CHECK(stage.expect<wire::Collect>("G1").job == job);
    PackedBlock next = block(10, 10);
    next.digest = "D";
    stage.step(AppendBlock{job, next});
    auto pushed = stage.pushed();
    CHECK(pushed.first == 10);
    CHECK(pushed.digest == "D");
    CHECK(pushed.token == 77);
    CHECK_FALSE(pushed.spec);
    stage.step(
        AppendBlock{job, block(20, 1), 21});  // past the credit: 105 of 100 bytes are on their way
    stage.nothing_left();
    stage.accept(20, 200);
    CHECK(stage.expect<JobRoom>().limit == 200);
    CHECK(stage.pushed().total == 21);
}

TEST_CASE(
    "a job with a key that is let go of before its seal is not cancelled, and is forgotten here "
    "once its blocks are accepted") {
    Stage stage;
    stage.connect();
    stage.step(keyed());
    stage.step(AppendBlock{job, block(0, 10)});
    CHECK(stage.pushed().spec->key == "K");
    stage.step(CloseJob{job});
    CHECK(stage.core.job_count() == 1);
    stage.accept(10);
    stage.pass(200ms);
    CHECK(stage.core.job_count() == 0);
}

TEST_CASE("leaving does not end a job with a key") {
    Stage stage;
    stage.connect();
    stage.step(keyed());
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.accept(10);
    stage.step(Leave{});
    stage.expect<wire::Bye>();
}

TEST_CASE("a job opened again in the same client takes the place of what it left behind") {
    Stage stage;
    stage.connect();
    stage.step(keyed());
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    stage.step(CloseJob{job});
    OpenJob opening = keyed();
    opening.continues = {.next = 10, .bytes = 10, .limit = 100};
    stage.step(std::move(opening));
    stage.expect<wire::Watch>();
    stage.step(AppendBlock{job, block(10, 1), 11});
    CHECK(stage.pushed().first == 10);
}

TEST_CASE("another client was faster with the key: who it is, is asked once, and told") {
    Stage stage;
    stage.connect();
    stage.step(keyed());
    stage.step(AppendBlock{job, block(0, 10)});
    stage.pushed();
    wire::Refused refused{
        .code = wire::RefusalCode::conflict, .text = "the key 'K' is taken", .job = job};
    stage.say(refused);
    auto find = stage.expect<wire::Find>();
    CHECK(find.key == "K");
    stage.say(refused);
    stage.nothing_left();
    wire::Found found{.number = find.number, .job = other_job};
    std::string text = "(none)";
    SUBCASE("it is submitting") {
        found.busy = true;
        text = "another client is submitting job " + to_string(other_job) +
               " with the key 'K'; wait for its end, or use another key";
    }
    SUBCASE("it has submitted") {
        text = "another client has just submitted job " + to_string(other_job) +
               " with the key 'K'; the same command again finds it";
    }
    SUBCASE("it was about something else") {
        found.job = job;
        text = "the key 'K' is taken";
    }
    stage.say(found);
    CHECK(stage.expect<JobRefused>().text == text);
}

TEST_CASE("fragments that are to be cancelled are named again until that is answered") {
    Stage stage;
    stage.connect();
    stage.step(Ask{1, wire::CancelFragments{.job = job, .ranges = {{3, 5}}}});
    CHECK(stage.expect<wire::CancelFragments>().ranges == std::vector<Range>{{3, 5}});
    stage.pass(2s);
    CHECK(stage.expect<wire::CancelFragments>().job == job);
    stage.say(wire::FragmentsCancelled{.job = other_job, .fragments = 1});
    stage.nothing_left();
    SUBCASE("done") {
        stage.say(wire::FragmentsCancelled{.job = job, .fragments = 2});
        CHECK(std::get<wire::FragmentsCancelled>(*stage.expect<Answer>().reply).fragments == 2);
    }
    SUBCASE("refused") {
        stage.say(wire::Refused{
            .code = wire::RefusalCode::conflict, .text = "job has ended", .job = job});
        CHECK(stage.expect<Answer>().reply.error().text == "job has ended");
    }
    stage.pass(3s);
}

TEST_CASE(
    "Find, Retry and Forget are asked again until they are answered, also after a new session") {
    Stage stage;
    stage.connect();
    stage.step(Ask{1, wire::Find{.number = 1, .key = "K", .token = 5}});
    stage.step(Ask{2, wire::Retry{job}});
    stage.step(Ask{3, wire::Forget{other_job}});
    CHECK(stage.expect<wire::Find>().token == 5);
    CHECK(stage.expect<wire::Retry>().job == job);
    CHECK(stage.expect<wire::Forget>().job == other_job);
    stage.say(welcome(2));
    stage.expect<Connected>();
    stage.expect<wire::Find>();
    stage.expect<wire::Retry>();
    stage.expect<wire::Forget>();
    stage.say(wire::Retried{job, 1, 7});
    CHECK(std::get<wire::Retried>(*stage.expect<Answer>().reply).fragments == 7);
    stage.say(wire::Refused{
        .code = wire::RefusalCode::conflict, .text = "it still runs", .job = other_job});
    auto answer = stage.expect<Answer>();
    CHECK(answer.number == 3);
    CHECK(answer.reply.error().text == "it still runs");
    stage.say(found_ten());
    CHECK(std::get<wire::Found>(*stage.expect<Answer>().reply).next == 10);
    stage.say(wire::Retried{job, 1, 7});
    stage.say(found_ten());
    stage.pass(5s);
}
