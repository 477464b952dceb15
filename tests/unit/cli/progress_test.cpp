// The progress bar's line.
#include <doctest/doctest.h>

#include "scatterer/cli/output/progress.hpp"

using namespace fanfold::scatterer::cli;

TEST_CASE("with the total known") {
    CHECK(progress_line({.done = 48, .failed = 2, .running = 4, .total = 100, .rate = 12.5}, 100) ==
          "[##########..........] 50% 48/100 done, 2 failed, 4 running, 12/s, 4s left");
    CHECK(progress_line({.done = 100, .failed = 0, .running = 0, .total = 100, .rate = 3}, 100) ==
          "[####################] 100% 100/100 done, 0 failed, 0 running, 3.0/s");
    CHECK(progress_line({.done = 0, .failed = 0, .running = {}, .total = 0, .rate = 0}, 100)
              .starts_with("[####################] 100%"));
}

TEST_CASE("while inputs are still being read") {
    CHECK(progress_line({.done = 5, .failed = 0, .running = {}, .total = {}, .rate = 2.5e6}, 100) ==
          "5 done, 0 failed, 2.5M/s");
    CHECK(progress_line({.done = 5, .failed = 0, .running = {}, .total = {}, .rate = 12'345}, 10) ==
          "5 done, 0 ");
}
