// Workers that can't run what others can: what they give back is no failure, retries go elsewhere,
// and failures that stand out cost a worker its work.
#include <doctest/doctest.h>

#include "broker/dispatch/troubles.hpp"
#include "tests/support/broker_harness.hpp"

using namespace fanfold;
using namespace fanfold::broker;

namespace {
/// Two workers of one slot: `sick` and `well`.
struct Ward : Stage {
    Ward() {
        peers_minor = wire::version_minor;
        client("c");
        gatherer("g");
        worker("sick");
        worker("well", 1, 2);
        ignore<wire::Accepted, wire::Assign, wire::Drop, wire::Errors, wire::Notice, wire::Recall,
               wire::Release, wire::Sealed>();
    }
    const Books& books(JobId job) { return core->jobs().at(job).books; }
    void in_trouble(const char* peer, const JobId& job, Index index, wire::TroubleKind kind) {
        say(peer, wire::Done{.returned = {{job, {{index, index + 1}}}},
                             .troubles = {{.job = job,
                                           .index = index,
                                           .kind = kind,
                                           .reason = "cannot run x: not found in PATH"}}});
    }
    void fails(const char* peer, const JobId& job, Index index, std::uint32_t attempt) {
        say(peer, wire::Done{.failures = {{job,
                                           {{.index = index,
                                             .attempt = attempt,
                                             .message = "no",
                                             .elapsed = std::chrono::milliseconds(20)}}}}});
    }
    /// Until nothing is left, or for so long: `sick` says what `act` does, `well` ends all well.
    /// Returns how often each was given a fragment.
    template <class Act>
    std::map<std::string, std::size_t> serve(JobId job, Act act, Duration time = 20s) {
        std::map<std::string, std::size_t> runs;
        for (Duration passed{}; passed < time; passed += 100ms) {
            for (std::size_t before = 1, now_at = 0; before != now_at;) {
                before = runs["sick"] + runs["well"];
                for (const char* peer : {"sick", "well"})
                    for (const auto& dispatch : expect_all<wire::Dispatch>(peer))
                        for (Index i = dispatch.first; i < dispatch.first + dispatch.count; ++i) {
                            ++runs[peer];
                            if (peer == std::string("sick")) {
                                act(i, dispatch.attempt);
                                continue;
                            }
                            done(peer, job, {i, i + 1}, 20ms);
                            say("g", wire::Gathered{.job = job, .ranges = {{i, i + 1}}});
                        }
                now_at = runs["sick"] + runs["well"];
            }
            if (books(job).queue().empty()) break;
            for (const char* peer : {"c", "g", "sick", "well"})
                if (core->sessions().contains({peer}))
                    say(peer, wire::Heartbeat{.handled = 1'000'000});
            pass(100ms);
        }
        return runs;
    }
};
}  // namespace

TEST_CASE("a command that one worker can't execute runs on the other, and nothing of it fails") {
    Ward ward;
    JobId job = ward.open(1, 200);
    auto runs = ward.serve(job, [&](Index index, std::uint32_t) {
        ward.in_trouble("sick", job, index, wire::TroubleKind::command);
    });
    CHECK(ward.books(job).settled().failed().size() == 0);
    CHECK(ward.books(job).settled().safe().size() == 200);
    CHECK(runs["sick"] < 20);
}

TEST_CASE("a command that nobody can execute fails with that reason, at once") {
    Ward ward;
    JobId job = ward.open(1, 100);
    for (int i = 0; i < 100; ++i) {
        for (const char* peer : {"sick", "well"})
            for (const auto& dispatch : ward.expect_all<wire::Dispatch>(peer))
                for (Index k = dispatch.first; k < dispatch.first + dispatch.count; ++k)
                    ward.in_trouble(peer, job, k, wire::TroubleKind::command);
        ward.pass(10ms);
    }
    CHECK(ward.books(job).settled().failed().size() == 100);
    auto errors = ward.expect<wire::Errors>("g");
    CHECK(errors.failures.at(0).message == "cannot run x: not found in PATH");
    ward.ignore<wire::Dispatch>();
}

TEST_CASE("a worker's own trouble is counted for nothing, but not for ever") {
    Ward ward;
    ward.say("well", wire::Bye{});
    JobId job = ward.open(1, 1);
    int given_back = 0;
    for (int i = 0; i < 100 && ward.books(job).settled().failed().size() == 0; ++i) {
        for ([[maybe_unused]] const auto& dispatch : ward.expect_all<wire::Dispatch>("sick")) {
            CHECK(dispatch.attempt == 1);
            ++given_back;
            ward.in_trouble("sick", job, 0, wire::TroubleKind::worker);
        }
        ward.pass(10ms);
    }
    CHECK(given_back == broker::limits::most_given_back + 1);
}

TEST_CASE(
    "a worker that takes nothing at present is shown with the reason, and its job's owner is "
    "told") {
    Stage stage;
    stage.client("c");
    stage.gatherer("g");
    stage.worker("sick");
    stage.ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Sealed>();
    stage.say("sick", wire::Heartbeat{.leaving = true, .trouble = "no space"});
    stage.open(1, 1);
    stage.pass(200ms);
    CHECK(stage.expect<wire::Notice>("c").text.find("sick: no space") != std::string::npos);
    stage.say("c", wire::Query{.number = 1, .topic = wire::Topic::workers});
    auto report = stage.expect<wire::Report>("c");
    CHECK(report.workers.at(0).trouble == "no space");
    CHECK_FALSE(report.workers.at(0).leaving);
    stage.say("sick", wire::Heartbeat{});
    CHECK(stage.expect_all<wire::Dispatch>("sick").size() == 1);
}

TEST_CASE("a worker on which nearly all fails soon, and elsewhere nothing, is doubted") {
    Ward ward;
    JobId job = ward.open(1, 200);
    auto runs = ward.serve(
        job, [&](Index index, std::uint32_t attempt) { ward.fails("sick", job, index, attempt); });
    CHECK(ward.books(job).settled().failed().size() == runs["sick"]);
    // What it was given when its failures were looked at for the second time.
    CHECK(runs["sick"] <= 2 * broker::limits::least_failures + 1);
    CHECK(ward.expect<wire::Examine>("sick").reason.find("'f' failed in ") == 0);
}

TEST_CASE("a function that fails everywhere is no worker's fault") {
    Ward ward;
    JobId job = ward.open(1, 60);
    for (int i = 0; i < 100; ++i)
        for (const char* peer : {"sick", "well"})
            for (const auto& dispatch : ward.expect_all<wire::Dispatch>(peer))
                for (Index k = dispatch.first; k < dispatch.first + dispatch.count; ++k)
                    ward.fails(peer, job, k, dispatch.attempt);
    CHECK(ward.books(job).settled().failed().size() == 60);
    CHECK(ward.expect_all<wire::Examine>("sick").empty());
    CHECK(ward.expect_all<wire::Examine>("well").empty());
}

TEST_CASE("which failures stand out is a matter of counts") {
    CHECK(stands_out({.ended = 8, .failed = 8}, {.ended = 8, .failed = 0}));
    CHECK_FALSE(stands_out({.ended = 7, .failed = 7}, {.ended = 1000, .failed = 0}));
    CHECK_FALSE(stands_out({.ended = 100, .failed = 100}, {.ended = 7, .failed = 0}));
    CHECK_FALSE(stands_out({.ended = 20, .failed = 9}, {.ended = 1000, .failed = 0}));
    CHECK_FALSE(stands_out({.ended = 20, .failed = 20}, {.ended = 20, .failed = 19}));
    CHECK_FALSE(stands_out({.ended = 20, .failed = 12}, {.ended = 100, .failed = 50}));
}

TEST_CASE("a retry goes to another worker where there is one") {
    Ward ward;
    auto spec = Stage::spec();
    spec.retries = 2;
    JobId job = ward.open(1, 100, spec);
    int failed = 0;
    ward.serve(job, [&](Index index, std::uint32_t attempt) {
        if (attempt > 1) ++failed;
        ward.fails("sick", job, index, attempt);
    });
    CHECK(ward.books(job).settled().failed().size() == 0);
    CHECK(failed == 0);
    ward.ignore<wire::Examine>();
}
