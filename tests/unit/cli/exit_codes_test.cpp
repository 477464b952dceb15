// Exit codes and the line that tells how a job ended.
#include <doctest/doctest.h>

#include "scatterer/cli/base/exit_codes.hpp"

using namespace fanfold;
using namespace fanfold::scatterer::cli;

namespace {

JobEnd end_of(std::uint64_t total, std::uint64_t values, std::vector<MissingFragments> missing) {
    JobEnd end;
    end.total = total;
    end.values = values;
    end.missing = std::move(missing);
    return end;
}

}  // namespace

TEST_CASE("the exit code is the number of fragments without a good result") {
    CHECK(exit_code(JobOutcome::complete, 0) == 0);
    CHECK(exit_code(JobOutcome::complete, 7) == 0);
    for (JobOutcome outcome :
         {JobOutcome::partial, JobOutcome::expired, JobOutcome::failed, JobOutcome::cancelled}) {
        CHECK(exit_code(outcome, 1) == 1);
        CHECK(exit_code(outcome, 100) == 100);
        CHECK(exit_code(outcome, 101) == 101);
        CHECK(exit_code(outcome, 1'000'000) == 101);
        CHECK(exit_code(outcome, 0) == 255);
    }
    CHECK(exit_code(JobOutcome::running, 3) == 0);
}

TEST_CASE("codes of several jobs add up, an error wins") {
    CHECK(joined_codes(0, 0) == 0);
    CHECK(joined_codes(3, 4) == 7);
    CHECK(joined_codes(100, 100) == 101);
    CHECK(joined_codes(255, 3) == 255);
    CHECK(joined_codes(0, 255) == 255);
}

TEST_CASE("what is missing is the total less the values, or what is listed") {
    CHECK(without_value(end_of(10, 7, {})) == 3);
    CHECK(without_value(end_of(0, 7, {{"failed", {{1, 2}}}, {"never started", {{4, 9}}}})) == 6);
    JobEnd unlisted;
    unlisted.failures = 2;
    CHECK(without_value(unlisted) == 2);
    JobStatus status;
    status.accepted = 5;
    status.values = 2;
    CHECK(without_value(status) == 3);
    status.total = 8;
    CHECK(without_value(status) == 6);
}

TEST_CASE("the line names outcome, reason, and the missing with why") {
    JobEnd end = end_of(10, 5, {{"timeout", {{2, 3}}}, {"never started", {{4, 5}, {7, 10}}}});
    end.outcome = JobOutcome::expired;
    end.reason = "deadline of 3s reached";
    CHECK(describe("0192", end) ==
          "job 0192 expired: deadline of 3s reached: 5 of 10 missing: timeout: 3; never started: "
          "5,8-10");
    JobEnd lost;
    lost.outcome = JobOutcome::failed;
    lost.reason = "the broker lost its memory";
    CHECK(describe("0192", lost) == "job 0192 failed: the broker lost its memory");
}
