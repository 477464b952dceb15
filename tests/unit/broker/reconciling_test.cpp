// A gatherer that has less than the broker counts as safe, and jobs that one of both does not know.
#include <doctest/doctest.h>

#include "tests/support/broker_durable_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
/// A broker with a store, a worker, and a gatherer that comes and goes.
struct Copies : Durable {
    Copies() {
        peers_minor = wire::version_minor;
        fleet();
        ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Mark, wire::Notice,
               wire::Sealed>();
    }
    /// The gatherer of the name comes in its next life. Returns the Mark by which job is compared.
    wire::Mark come_back(const JobId& job, std::vector<wire::HeldJob> held = {}) {
        step(Unroutable{{gatherers.back()}});
        gatherers.push_back("g" + std::to_string(gatherers.size()));
        skip();
        on_send = [&](const Send& send) {
            if (auto* mark = std::get_if<wire::Mark>(&send.message); mark && mark->job == job)
                last_mark = *mark;
        };
        const std::uint64_t number = gatherers.size();
        say(g(), wire::Hello{.role = wire::Role::gatherer,
                             .name = "G",
                             .epoch = {1, number},
                             .gatherer = {.name = "G", .epoch = {1, number}}});
        if (!says_later) say(g(), wire::Holds{.jobs = std::move(held), .last = true});
        return last_mark;
    }
    void live(Duration time) {
        for (; time > Duration(0); time -= 500ms) {
            pass(500ms);
            for (const char* peer : {"w", g(), "c"}) say(peer, wire::Heartbeat{});
            serve();
        }
    }
    void marked(const wire::Mark& mark) {
        say(g(), wire::Marked{.job = mark.job, .number = mark.number});
    }
    const char* g() const { return gatherers.back().c_str(); }
    bool told() const { return core->sessions().at({g()}).told_jobs; }
    /// A job of 6 fragments in two blocks, of which these are safe.
    JobId half_done(std::vector<Range> safe) {
        open(1, 3);
        wire::Block second{.job = job_number(1), .token = 1, .first = 3, .count = 3, .stride = 3};
        second.total = 6;
        step(Pulled{wire::Block{second}, Slice::copy("\x01\x02\x03")});
        for (Range range : safe) {
            done("w", job_number(1), range);
            say(g(), wire::Gathered{.job = job_number(1), .ranges = {range}});
        }
        return job_number(1);
    }
    JobId open(std::uint64_t n, std::uint32_t count) {
        wire::Block first{.job = job_number(n), .token = 1, .count = count, .stride = count};
        first.spec = spec();
        if (n > 1) first.total = count;
        block(first, Slice::take(std::string(count, '\x07')));
        return first.job;
    }
    wire::Ended end_of(const JobId& id) { return job(id).life->end; }
    std::deque<std::string> gatherers{"g"};
    wire::Mark last_mark;
    bool says_later = false;
};

wire::Described described(std::uint64_t n) {
    wire::Described message;
    message.assign.job = job_number(n);
    message.assign.assignment = 2;
    message.assign.spec = {.function = "f", .key = "nightly"};
    message.assign.total = 4;
    message.next = 3;
    return message;
}
}  // namespace

TEST_CASE(
    "what a gatherer has lost runs again where its payloads are there, and its clients hear") {
    Copies stage;
    const JobId job = stage.half_done({{0, 2}, {3, 5}});
    const wire::Mark mark = stage.come_back(job);
    CHECK(mark.job == job);
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 1}, {3, 5}}});
    CHECK(stage.job(job).books.settled().safe().size() == 4);  // more may come
    std::string told;
    stage.on_send = [&](const Send& send) {
        if (auto* notice = std::get_if<wire::Notice>(&send.message)) told = notice->text;
    };
    stage.marked(mark);
    CHECK(stage.job(job).books.settled().safe() == RangeSet({{0, 1}, {3, 5}}));
    CHECK(told ==
          "gatherer G has lost what it had of 1 fragment, as its state was put back to an older "
          "one; they run again");
    SUBCASE("that is so after a restart, too") {
        stage.pass(1s);
        stage.restart();
        CHECK(stage.job(job).books.settled().safe() == RangeSet({{0, 1}, {3, 5}}));
    }
    SUBCASE("an answer from before says nothing") {
        const wire::Mark next = stage.come_back(job);
        CHECK(next.number != mark.number);
        stage.marked(mark);
        CHECK(stage.job(job).books.settled().safe().size() == 3);
        stage.marked(next);
        CHECK(stage.job(job).books.settled().safe().empty());
    }
}

TEST_CASE("what a gatherer has lost and nobody can run again ends its job, by name") {
    Copies stage;
    const JobId job = stage.half_done({{0, 3}, {3, 4}});
    stage.pass(1s);  // the first block is let go of
    const wire::Mark mark = stage.come_back(job);
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 1}, {3, 4}}});
    stage.marked(mark);
    const wire::Ended end = stage.end_of(job);
    CHECK(end.outcome == wire::Outcome::failed);
    CHECK(end.reason ==
          "gatherer G has lost what it had of 2 fragments, as its state was put back to an older "
          "one, and their payloads are let go of: submit them again");
    CHECK(end.values == 2);
    REQUIRE(end.missing.size() == 2);
    CHECK(end.missing[0].reason == "lost");
    CHECK(end.missing[0].ranges == std::vector<Range>{{1, 3}});
}

TEST_CASE("a failure that a gatherer has lost is looked for again; what was cancelled stays so") {
    Copies stage;
    const JobId job = stage.half_done({});
    stage.failed("w", job, 0);
    stage.say("c", wire::CancelFragments{.job = job, .ranges = {{5, 6}}});
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 1}, {5, 6}}});
    CHECK(stage.job(job).books.settled().errors().empty());
    stage.ignore<wire::FragmentsCancelled>();
    const wire::Mark mark = stage.come_back(job);
    stage.marked(mark);
    CHECK(stage.job(job).books.settled().failed() == RangeSet({{5, 6}}));
    CHECK(stage.job(job).books.settled().errors().all().contains(5));
    CHECK(stage.expect_all<wire::Errors>(stage.g()).size() == 1);
}

TEST_CASE("what a gatherer had in an earlier round says nothing of this one") {
    Copies stage;
    const JobId job = stage.open(2, 2);
    stage.failed("w", job, 0);
    stage.done("w", job, {1, 2});
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 2}}});
    stage.say("g", wire::Propose{.job = job, .assignment = 1, .outcome = wire::Outcome::partial});
    stage.say("c", wire::Retry{.job = job});
    stage.say("g", wire::Gathered{.job = job, .ranges = {{1, 2}}, .round = 1});
    stage.done("w", job, {0, 1});
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 1}}, .round = 1});
    stage.ignore<wire::Retried>();
    const wire::Mark mark = stage.come_back(job, {{.job = job, .assignment = 1, .values = 1}});
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 2}}});
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{1, 2}}, .round = 1});
    stage.marked(mark);
    CHECK(stage.job(job).books.settled().safe() == RangeSet({{1, 2}}));
}

TEST_CASE("a Mark that is not answered is said again, and no two jobs wait for one") {
    Copies stage;
    const JobId job = stage.half_done({{0, 1}});
    const wire::Mark mark = stage.come_back(job);
    stage.last_mark = {};
    stage.live(3s);
    CHECK(stage.last_mark.number == mark.number);
}

TEST_CASE("an ended job whose gatherer has fewer values says so, and can't be retried") {
    Copies stage;
    const JobId job = stage.open(2, 3);
    stage.done("w", job, {0, 3});
    stage.say("g", wire::Gathered{.job = job, .ranges = {{0, 3}}});
    stage.say("g", wire::Propose{.job = job, .assignment = 1, .every_value = true});
    CHECK(stage.end_of(job).outcome == wire::Outcome::complete);
    stage.skip();
    SUBCASE("it has them") {
        stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 3}});
        CHECK(stage.end_of(job).outcome == wire::Outcome::complete);
        CHECK(stage.job(job).assignment->known.epoch == Epoch{1, 2});  // where it is asked for
    }
    SUBCASE("some are gone") {
        stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 1}});
        CHECK(stage.end_of(job).reason == "gatherer G has lost 2 of its 3 values since");
        CHECK(stage.end_of(job).values == 1);
    }
    SUBCASE("it knows nothing of it") {
        stage.come_back(job);
        CHECK(stage.end_of(job).reason == "gatherer G has lost its results since");
    }
    const bool lost = stage.end_of(job).outcome == wire::Outcome::failed;
    stage.restart();
    CHECK(stage.end_of(job).lost == lost);
    if (lost)
        CHECK(Endings::why_no_retry(stage.job(job)) ==
              "values that it had are lost; submit it again");
}

TEST_CASE("a job that only its gatherer knows is taken over from it, unless it is forgotten") {
    Copies stage;
    const JobId job = job_number(7);
    SUBCASE("it had ended") {
        stage.come_back(job, {{.job = job, .assignment = 2, .round = 1, .values = 4}});
        CHECK(stage.expect<wire::Describe>(stage.g()).jobs == std::vector<JobId>{job});
        CHECK_FALSE(stage.told());
        wire::Described message = described(7);
        message.end.outcome = wire::Outcome::complete;
        message.end.values = 4;
        stage.say(stage.g(), message);
        CHECK(stage.told());
        stage.restart();
        CHECK(stage.end_of(job).outcome == wire::Outcome::complete);
        CHECK(stage.end_of(job).values == 4);
        CHECK(stage.end_of(job).total == 4);
        stage.client("c");
        stage.say("c", wire::Find{.number = 1, .key = "nightly", .token = 9});
        CHECK(stage.expect<wire::Found>("c").job == job);
    }
    SUBCASE("its gatherer has all of it") {
        stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 4}});
        stage.expect<wire::Describe>(stage.g());
        stage.say(stage.g(), described(7));
        stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 4}}});
        stage.say(stage.g(), wire::Propose{.job = job, .assignment = 2, .every_value = true});
        CHECK(stage.end_of(job).outcome == wire::Outcome::complete);
        CHECK(stage.end_of(job).values == 4);
    }
    SUBCASE("it ran: nobody has the rest") {
        stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 2}});
        stage.expect<wire::Describe>(stage.g());
        stage.say(stage.g(), described(7));
        stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 3}}, .failed = {{1, 2}}});
        CHECK(stage.job(job).running());
        CHECK(stage.expect_all<wire::Dispatch>("w").empty());
        SUBCASE("") {}
        SUBCASE("also when the broker starts again before it knows") {
            stage.restart();
            stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 2}});
            stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 3}}});
        }
        stage.marked(stage.last_mark);
        CHECK(stage.end_of(job).outcome == wire::Outcome::failed);
        CHECK(stage.end_of(job).reason.starts_with("the broker has lost what it knew of the job"));
        CHECK(stage.job(job).books.settled().safe().contains(2));
    }
    SUBCASE("it is forgotten") {
        const JobId old = stage.open(2, 1);
        stage.say("c", wire::Cancel{.job = old});
        stage.say("c", wire::Forget{.job = old});
        stage.come_back(old, {{.job = old, .assignment = 1, .round = 0, .values = 1}});
        CHECK(stage.expect_all<wire::Describe>(stage.g()).empty());
    }
    SUBCASE("it is gone before it is described") {
        stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 1}});
        stage.expect<wire::Describe>(stage.g());
        CHECK_FALSE(stage.told());
        stage.say(stage.g(), wire::Forgotten{.job = job});
        CHECK(stage.told());
    }
}

TEST_CASE("failures that the broker does not know are no values") {
    Copies stage;
    const JobId job = stage.open(2, 3);
    const wire::Mark mark = stage.come_back(job);
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 2}}, .failed = {{1, 2}}});
    stage.marked(mark);
    CHECK(stage.job(job).books.settled().safe() == RangeSet({{0, 1}}));
    CHECK(stage.job(job).books.settled().failed() == RangeSet({{1, 2}}));
    stage.done("w", job, {2, 3});
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{2, 3}}});
    stage.say(stage.g(), wire::Propose{.job = job,
                                       .assignment = stage.job(job).assignment->number,
                                       .outcome = wire::Outcome::partial});
    CHECK(stage.end_of(job).values == 2);
    stage.say("c", wire::Retry{.job = job});
    CHECK(stage.job(job).running());
    CHECK(stage.job(job).books.settled().failed().empty());
}

TEST_CASE("a job that ends, and is retried, before it was compared goes on") {
    Copies stage;
    stage.ignore<wire::Retried>();
    const JobId job = stage.open(2, 2);
    const wire::Mark mark = stage.come_back(job);
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 1}}});
    stage.say("c", wire::Cancel{.job = job});
    stage.say("c", wire::Retry{.job = job});
    stage.marked(mark);  // of the round before: it says nothing
    CHECK(stage.job(job).books.settled().safe() == RangeSet({{0, 1}}));
    stage.skip();
    stage.live(6s);
    CHECK(stage.job(job).books.loans().first().set().contains(1));
}

TEST_CASE("nobody adds to a job that was taken over; what is not described is asked for again") {
    Copies stage;
    const JobId job = job_number(7);
    stage.come_back(job, {{.job = job, .assignment = 1, .round = 0, .values = 2}});
    stage.expect<wire::Describe>(stage.g());
    stage.live(3s);
    CHECK(stage.expect<wire::Describe>(stage.g()).jobs == std::vector<JobId>{job});
    wire::Described message = described(7);
    message.assign.total = {};
    stage.say(stage.g(), message);
    stage.say("c", wire::Find{.number = 1, .key = "nightly", .token = 9});
    CHECK(stage.expect<wire::Found>("c").job == job);
    stage.block({.job = job, .token = 9, .first = 3, .count = 1}, Slice::copy("\x07"));
    CHECK(stage.job(job).payload->blocks.empty());
    stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 3}}});
}

TEST_CASE("a gatherer that says nothing holds up no key for long") {
    Copies stage;
    stage.says_later = true;
    stage.come_back(job_number(1));
    stage.live(11s);
    stage.say("c", wire::Find{.number = 1, .key = "nightly", .token = 1});
    CHECK_FALSE(stage.expect<wire::Found>("c").job);
}

TEST_CASE("a key opens nothing while a gatherer that is here may have its job") {
    Copies stage;
    stage.says_later = true;
    stage.come_back(job_number(1));
    wire::Block first{.job = job_number(8), .token = 1, .count = 1, .stride = 1, .total = 1};
    first.spec = Stage::spec();
    first.spec->key = "nightly";
    stage.block(first, Slice::copy("\x07"));
    CHECK_FALSE(stage.core->jobs().contains(job_number(8)));
    stage.say("c", wire::Find{.number = 1, .key = "nightly", .token = 1});
    CHECK(stage.silent("c"));
    stage.say(stage.g(), wire::Holds{.last = true});
    stage.live(1s);
    CHECK_FALSE(stage.expect<wire::Found>("c").job);
    stage.block(first, Slice::copy("\x07"));
    CHECK(stage.core->jobs().contains(job_number(8)));
}

TEST_CASE("a gatherer that counts further assignments and rounds than the broker is followed") {
    Copies stage;
    const JobId job = stage.open(2, 3);
    SUBCASE("of a job that runs") {
        stage.come_back(job, {{.job = job, .assignment = 5, .round = 1, .values = 0}});
        stage.say(stage.g(), wire::Gathered{.job = job, .ranges = {{0, 3}}, .round = 1});
        stage.say(stage.g(), wire::Propose{.job = job, .assignment = 5, .every_value = true});
        CHECK(stage.end_of(job).outcome == wire::Outcome::complete);
    }
    SUBCASE("of one that has ended") {
        stage.say("c", wire::Cancel{.job = job});
        stage.skip();
        stage.come_back(job, {{.job = job, .assignment = 5, .round = 1, .values = 0}});
        CHECK(stage.end_of(job).assignment == 5);
        CHECK(stage.end_of(job).outcome == wire::Outcome::cancelled);
        CHECK(stage.job(job).life->round == 1);
    }
}
