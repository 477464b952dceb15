#include "shared/base/token_bucket.hpp"

#include <doctest/doctest.h>

using namespace fanfold;
using namespace std::chrono_literals;

TEST_CASE("a full bucket gives all its tokens at once, and then one each interval") {
    TokenBucket bucket({.at_once = 3, .interval = 10ms});
    Time now{1s};
    for (int i = 0; i < 3; ++i) CHECK(bucket.take(now) == 0);
    CHECK_FALSE(bucket.take(now));
    CHECK(bucket.wait(now) == 10ms);
    CHECK(bucket.wait(now + 4ms) == 6ms);
    CHECK_FALSE(bucket.take(now + 9ms));
    CHECK(bucket.take(now + 10ms) == 2);  // so many were refused before it
    CHECK_FALSE(bucket.take(now + 19ms));
    CHECK(bucket.take(now + 20ms) == 1);
    CHECK(bucket.asked() == 8);
}

TEST_CASE("a bucket that rests is full again, and no fuller") {
    TokenBucket bucket({.at_once = 2, .interval = 10ms});
    Time now{1s};
    for (Time at : {now, now + 1h}) {
        CHECK(bucket.take(at));
        CHECK(bucket.take(at));
        CHECK_FALSE(bucket.take(at));
    }
    CHECK(bucket.wait(now + 2h) == 0s);
}

TEST_CASE("a rate may change, and the tokens that were taken stay taken") {
    TokenBucket bucket({.at_once = 1, .interval = 60s});
    Time now{1s};
    CHECK(bucket.take(now));
    bucket.set_rate({.at_once = 6, .interval = 10s});
    CHECK_FALSE(bucket.take(now));
    CHECK(bucket.take(now + 10s));
    TokenBucket unlimited({.at_once = 1, .interval = 0s});
    for (int i = 0; i < 100; ++i) CHECK(unlimited.take(now));
}
