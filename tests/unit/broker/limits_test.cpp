// What one user may take of the broker, and what a peer can make it keep.
#include <cmath>

#include "tests/support/broker_tenants_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {

KeysChanged limited(const Sender& sender, const UserLimits& limits) {
    KeysChanged event = keys({ada, bob, root, hall, mill});
    event.limits[sender.user] = limits;
    return event;
}

/// A block of texts, each with so many letters.
std::pair<wire::Block, Slice> texts(wire::Block block, const std::vector<std::size_t>& letters,
                                    std::uint32_t stride = 2) {
    std::string body;
    block.count = 0;
    block.stride = stride;
    for (std::size_t length : letters) {
        if (block.count > 0 && block.count % stride == 0)
            for (int shift = 0; shift < 32; shift += 8)
                block.cuts += static_cast<char>(body.size() >> shift);
        body += wire::pack_text(std::string(length, 'x'));
        ++block.count;
    }
    return {std::move(block), Slice::copy(body)};
}

template <class T>
std::vector<T> about(const JobId& job, std::vector<T> messages) {
    std::erase_if(messages, [&](const T& message) { return message.job != job; });
    return messages;
}

bool says(const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("names and texts of a peer or a job that would take much memory are refused") {
    Tenants<Stage> stage;
    const std::string half(broker::limits::names_bytes / 2, 'n');
    SUBCASE("a worker's") {
        wire::Hello hello{.role = wire::Role::worker, .name = "x", .slots = 1, .functions = {half}};
        stage.senders[{"x"}] = mill;
        SUBCASE("long ones") { hello.idempotent = {half}; }
        SUBCASE("many") { hello.idempotent.resize(40'000); }
        stage.say("x", hello);
        auto refused = stage.expect<wire::Refused>("x");
        CHECK(refused.code == wire::RefusalCode::too_large);
        CHECK(says(refused.text, std::to_string(broker::limits::names_bytes) +
                                     " is the most; shorten them, or leave some out"));
        hello.idempotent.clear();
        stage.say("x", hello);
        stage.expect<wire::Welcome>("x");
    }
    SUBCASE("a job's") {
        wire::Block block = stage.first(1, "a");
        block.spec->title = half;
        block.spec->environment = {"X=" + half};
        stage.block(block, Slice::copy("\x07"), ada);
        CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::too_large);
        CHECK_FALSE(stage.core->jobs().contains(block.job));
        block.spec->environment.clear();
        stage.block(block, Slice::copy("\x07"), ada);
        CHECK(stage.core->jobs().contains(block.job));
    }
}

TEST_CASE(
    "open jobs: past the limit an error that names it; another user's go on, and so does the user "
    "when one has ended") {
    Tenants<Stage> stage;
    stage.step(limited(ada, {.open_jobs = 2}));
    JobId first = stage.opened(1, "a", ada);
    stage.opened(2, "a", ada);
    stage.skip();
    JobId third = stage.opened(3, "a", ada);
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::overloaded);
    CHECK(refused.job == third);
    CHECK(says(refused.text,
               "at most 2 open jobs of user ada (jobs= in its allowed keys); wait until one has "
               "ended, or cancel one"));
    CHECK_FALSE(stage.core->jobs().contains(third));
    for (std::uint64_t n = 10; n < 15; ++n)
        CHECK(stage.core->jobs().contains(stage.opened(n, "b", bob)));
    stage.ended(first);
    CHECK(stage.core->jobs().contains(stage.opened(4, "a", ada)));
    stage.skip();
    stage.say("a", wire::Retry{first});  // it would be one more
    CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::overloaded);
}

TEST_CASE("submissions: so many a minute, and as many at once") {
    Tenants<Stage> stage;
    stage.step(limited(ada, {.submissions = 6}));
    for (std::uint64_t n = 1; n <= 6; ++n)
        CHECK(stage.core->jobs().contains(stage.opened(n, "a", ada)));
    stage.skip();
    CHECK_FALSE(stage.core->jobs().contains(stage.opened(7, "a", ada)));
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::overloaded);
    CHECK(says(refused.text,
               "at most 6 jobs a minute of user ada (submissions= in its allowed keys); try again "
               "in 10 s"));
    CHECK(stage.core->jobs().contains(stage.opened(8, "b", bob)));
    stage.now += 10s;
    CHECK(stage.core->jobs().contains(stage.opened(9, "a", ada)));
    CHECK_FALSE(stage.core->jobs().contains(stage.opened(10, "a", ada)));
    stage.now += 1h;
    for (std::uint64_t n = 11; n <= 16; ++n)
        CHECK(stage.core->jobs().contains(stage.opened(n, "a", ada)));
    CHECK_FALSE(stage.core->jobs().contains(stage.opened(17, "a", ada)));
}

TEST_CASE("payloads: one that is too large is found among others, and named") {
    Tenants<Stage> stage;
    stage.step(limited(ada, {.payload_bytes = 100}));
    stage.senders[{"a2"}] = ada;
    stage.say("a2", wire::Hello{.name = "A2", .epoch = {0, 9}});
    CHECK(stage.expect<wire::Welcome>("a2").payload_bytes == 100);
    stage.skip();
    auto send = [&](std::uint64_t n, const std::vector<std::size_t>& letters) {
        auto [block, body] = texts(stage.first(n, "a"), letters);
        stage.block(block, body, ada);
        return block.job;
    };
    CHECK(stage.core->jobs().contains(send(1, {97, 97, 97, 97, 97})));  // 2 bytes tell the length
    stage.skip();
    CHECK_FALSE(stage.core->jobs().contains(send(2, {1, 2, 3, 4, 200, 3})));
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::too_large);
    CHECK(says(refused.text,
               "fragment 5: its payload has 202 bytes, the broker takes at most 100 of user ada "
               "(payload= in"));
    wire::Block garbage = stage.first(3, "a");
    stage.block(garbage, Slice::copy("\xdb" + std::string(150, 'x')),
                ada);  // promises more than it has
    CHECK_FALSE(stage.core->jobs().contains(garbage.job));
    auto [block, body] = texts(stage.first(4, "b"), {500});
    stage.block(block, body, bob);
    CHECK(stage.core->jobs().contains(block.job));
}

TEST_CASE("fragments of a job: a block or a total past the limit ends it") {
    Tenants<Stage> stage;
    stage.step(limited(ada, {.fragments = 3}));
    auto [first, body] = texts(stage.first(1, "a"), {1, 1});
    stage.block(first, body, ada);
    stage.skip();
    SUBCASE("a block") {
        auto [second, more] = texts({.job = first.job, .token = 1, .first = 2}, {1, 1});
        stage.block(second, more, ada);
    }
    SUBCASE("a total") { stage.say("a", wire::Seal{.job = first.job, .token = 1, .total = 4}); }
    auto refused = stage.expect<wire::Refused>("a");
    CHECK(refused.code == wire::RefusalCode::too_large);
    CHECK(says(refused.text,
               "at most 3 fragments in a job of user ada (fragments= in its allowed keys); split "
               "the job"));
    CHECK(stage.core->jobs().at(first.job).life->end.outcome == wire::Outcome::failed);
    CHECK(stage.core->jobs().at(first.job).life->end.reason == refused.text);
}

TEST_CASE("bytes held: a user at its limit waits, is told so, and goes on; others take no notice") {
    Tenants<Stage> stage;
    stage.step(limited(ada, {.held_bytes = 1000}));
    auto [first, body] = texts(stage.first(1, "a"), {900, 200});
    stage.block(first, body, ada);
    stage.skip("a");
    auto [second, more] = texts(stage.first(2, "a"), {400});
    stage.block(second, more, ada);
    auto accepted = stage.expect<wire::Accepted>("a");
    CHECK(accepted.next == 0);
    CHECK(accepted.limit == 0);  // nothing more until there is room
    CHECK(stage.core->jobs().at(second.job).books.next() == 0);
    auto [of_bob, his] = texts(stage.first(3, "b"), {5000});
    stage.block(of_bob, his, bob);
    CHECK(stage.core->jobs().at(of_bob.job).books.next() == 1);
    CHECK(stage.expect_all<wire::Notice>("a").empty());
    stage.pass(3s);
    std::vector<wire::Notice> notices = about(second.job, stage.expect_all<wire::Notice>("a"));
    REQUIRE(notices.size() == 1);
    CHECK(says(notices[0].text,
               "at most 1000 bytes of payloads and results of user ada (bytes= in its allowed "
               "keys); it waits"));
    SUBCASE("fragments end") {
        stage.say("g", wire::Gathered{.job = first.job, .ranges = {{0, 2}}});
        stage.skip();
    }
    SUBCASE("the job ends") { stage.ended(first.job); }
    stage.pass(200ms);
    auto credit = about(second.job, stage.expect_all<wire::Accepted>("a"));
    REQUIRE(credit.size() == 1);
    CHECK(credit[0].limit > 0);
    stage.block(second, more, ada);
    CHECK(stage.core->jobs().at(second.job).books.next() == 1);
    CHECK(stage.core->jobs().at(second.job).client->notice.empty());
}

TEST_CASE("bytes held: those in the store count, until their job is forgotten") {
    Tenants<Durable> stage;
    stage.step(limited(ada, {.held_bytes = 1000}));
    auto [first, body] = texts(stage.first(1, "a"), {1200});
    first.total = 1;
    stage.block(first, body, ada);
    stage.ended(first.job);  // it can be retried
    for (bool again : {false, true}) {
        CAPTURE(again);
        auto [second, more] = texts(stage.first(2, "a"), {10});
        stage.block(second, more, ada);
        CHECK(stage.job(second.job).books.next() == 0);
        if (again) break;
        stage.restart();
        stage.step(limited(ada, {.held_bytes = 1000}));
        stage.join();
    }
    stage.ask<wire::Forgotten>("a", wire::Forget{first.job});
    auto [second, more] = texts(stage.first(2, "a"), {10});
    stage.block(second, more, ada);
    CHECK(stage.job(second.job).books.next() == 1);
}

TEST_CASE(
    "limits of options: for users without a line of their own; without keys for all together") {
    Fleet fleet;
    fleet.ignore<wire::Accepted, wire::AllowedKeys, wire::Assign, wire::Notice, wire::Refused>();
    fleet.core = std::make_unique<Core>(
        Options{.epoch = {0, 77}, .blocks = {"inproc://blocks"}, .user_limits = {.open_jobs = 1}});
    fleet.client("c");
    fleet.gatherer("g");
    fleet.open(1, 1);
    fleet.skip<wire::Accepted, wire::Assign, wire::Notice, wire::Sealed>();
    fleet.open(2, 1);
    CHECK(says(fleet.expect<wire::Refused>("c").text, "at most 1 open jobs (--user-jobs); wait"));
    fleet.senders = {{{"a"}, ada}, {{"b"}, bob}};
    KeysChanged of_ada = keys({ada, bob});
    of_ada.limits["ada"] = {.open_jobs = 2};
    fleet.step(of_ada);
    fleet.client("a", 8);
    fleet.client("b", 9);
    wire::Block block{
        .job = job_number(3), .token = 1, .count = 1, .stride = 1, .spec = Stage::spec()};
    auto open = [&](std::uint64_t n, const Sender& sender, const char* owner) {
        block.job = job_number(n);
        block.spec->owner = {owner};
        fleet.block(block, Slice::copy("\x07"), sender);
        return fleet.core->jobs().contains(block.job);
    };
    CHECK(open(3, ada, "a"));
    CHECK(open(4, ada, "a"));
    CHECK_FALSE(open(5, ada, "a"));
    CHECK(open(6, bob, "b"));
    fleet.skip<wire::Accepted, wire::Notice>("b");
    CHECK_FALSE(open(7, bob, "b"));
    CHECK(says(fleet.expect<wire::Refused>("b").text,
               "at most 1 open jobs of user bob (--user-jobs)"));
    of_ada.others = {.open_jobs = 3};  // a line for all others
    fleet.step(of_ada);
    CHECK(open(8, bob, "b"));
}

TEST_CASE("submissions that nobody finishes are bounded") {
    Stage stage;
    stage.gatherer("g");
    wire::Block block{
        .job = job_number(0), .token = 1, .count = 1, .stride = 1, .spec = Stage::spec()};
    block.spec->key = "k";  // so that it waits for a day
    for (std::uint64_t n = 1; n <= broker::limits::unsealed_jobs + 5; ++n) {
        block.job = job_number(n);
        block.spec->key = "k" + std::to_string(n);
        std::vector<Action> actions;
        stage.core->step(stage.now, Pulled{block, Slice::copy("\x07")}, actions);
    }
    CHECK(stage.core->jobs().size() == broker::limits::unsealed_jobs);
}

TEST_CASE("who has many ended jobs makes nobody else's be forgotten") {
    Tenants<Stage> stage;
    auto attached = [&](std::uint64_t n, const char* owner, const Sender& sender) {
        wire::Block block = stage.first(n, owner);
        block.spec->attached = true;
        block.total = 1;
        std::vector<Action> actions;
        stage.core->step(stage.now, Pulled{block, Slice::copy("\x07"), sender}, actions);
        stage.core->step(stage.now, Received{{"r"}, wire::Cancel{.job = block.job}, {}, root},
                         actions);
        return block.job;
    };
    JobId early = attached(1, "a", ada);
    for (std::uint64_t n = 2; n <= 1100; ++n) attached(n, "b", bob);
    stage.pass(200ms);
    CHECK(stage.core->jobs().size() == 1000);
    CHECK(stage.core->jobs().contains(early));
    CHECK_FALSE(stage.core->jobs().contains(job_number(2)));
}

TEST_CASE(
    "questions for a key that wait are bounded, and what a Hello or a job asks of workers is, "
    "too") {
    Tenants<Stage> stage;
    stage.block(stage.first(1, "a", "nightly"), Slice::copy("\x07"), ada);
    stage.senders[{"a2"}] = ada;
    stage.client("a2", 9);
    stage.skip();
    for (std::uint64_t number = 1; number <= 150; ++number)
        stage.say("a2", wire::Find{.number = number, .key = "nightly", .token = 7});
    CHECK(stage.expect_all<wire::Found>("a2").size() == 50);  // at once: another has it
    wire::Hello hello{
        .role = wire::Role::worker, .name = "W", .epoch = {0, 4}, .slots = 1, .functions = {"f"}};
    for (std::size_t i = 0; i <= broker::limits::labels; ++i)
        hello.labels.push_back("l" + std::to_string(i));
    stage.senders[{"w2"}] = mill;
    stage.say("w2", hello);
    CHECK(stage.expect<wire::Refused>("w2").code == wire::RefusalCode::too_large);
    CHECK_FALSE(stage.core->sessions().contains({"w2"}));
    wire::Block greedy = stage.first(2, "a");
    greedy.spec->require = hello.labels;
    stage.skip("a");
    stage.block(greedy, Slice::copy("\x07"), ada);
    CHECK(stage.expect<wire::Refused>("a").code == wire::RefusalCode::too_large);
}

TEST_CASE("as many gatherers are let in as one message names, and one of them may come again") {
    Stage stage;
    stage.ignore<wire::Welcome>();
    auto hello_of = [](std::size_t n, std::uint64_t life) {
        const std::string name = "g" + std::to_string(n);
        wire::Hello hello{.role = wire::Role::gatherer, .name = name, .epoch = {life, life}};
        hello.gatherer = {.name = name, .epoch = {life, life}};
        return hello;
    };
    for (std::size_t n = 0; n < broker::limits::gatherers; ++n)
        stage.say(("g" + std::to_string(n)).c_str(), hello_of(n, 1));
    stage.say("one more", hello_of(1000, 1));
    auto refused = stage.expect<wire::Refused>("one more");
    CHECK(refused.code == wire::RefusalCode::overloaded);
    CHECK(says(refused.text, "at most 256 gatherers"));
    CHECK_FALSE(stage.core->sessions().contains({"one more"}));
    for (std::uint64_t life : {1, 2}) {  // another connection; another life
        const std::string peer = "again" + std::to_string(life);
        if (life == 2) stage.step(Unroutable{{"again1"}});
        stage.say(peer.c_str(), hello_of(7, life));
        CHECK(stage.expect<wire::Welcome>(peer.c_str()).gatherers.size() + (life == 2) ==
              broker::limits::gatherers);
    }
    stage.client("c");
    stage.say("c", wire::Query{.topic = wire::Topic::gatherers});
    CHECK(stage.expect<wire::Report>("c").gatherers.size() == broker::limits::gatherers);
}

TEST_CASE("a specification that makes no sense is refused, and says why") {
    Stage stage;
    stage.gatherer("g");
    stage.worker("w");
    stage.client("c");
    std::size_t jobs = 0;
    auto refusal = [&](auto change) {
        wire::JobSpec spec = Stage::spec();
        change(spec);
        stage.open(++jobs, 1, spec);
        auto refused = stage.expect<wire::Refused>("c");
        CHECK(refused.code == wire::RefusalCode::malformed);
        CHECK(refused.job == job_number(static_cast<std::uint8_t>(jobs)));
        return refused.text;
    };
    CHECK(refusal([](auto& spec) { spec.deadline = -1ms; }) ==
          "the deadline of -1 ms is below 0; 0 is for none");
    CHECK(refusal([](auto& spec) { spec.timeout = -1ms; }).find("timeout") != std::string::npos);
    CHECK(refusal([](auto& spec) { spec.lease = -1ms; }).find("lease") != std::string::npos);
    CHECK(refusal([](auto& spec) { spec.max_failures_percent = std::nan(""); }).find("percent") !=
          std::string::npos);
    CHECK(refusal([](auto& spec) { spec.max_failures_percent = 101; }).find("percent") !=
          std::string::npos);
    CHECK(refusal([](auto& spec) { spec.attached = true, spec.key = "mine"; }).find("key") !=
          std::string::npos);
    CHECK(stage.core->jobs().empty());
}
