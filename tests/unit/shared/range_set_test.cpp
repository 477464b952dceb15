#include "shared/base/range_set.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

#include "shared/base/span_map.hpp"

using namespace fanfold;

TEST_CASE("ranges join when they touch and part when something is removed") {
    RangeSet set;
    CHECK(set.add({0, 5}) == 5);
    CHECK(set.add({5, 7}) == 2);
    CHECK(set.range_count() == 1);
    CHECK(set.add({3, 6}) == 0);
    CHECK(set.remove({2, 4}) == 2);
    CHECK(set.ranges() == std::vector<Range>{{0, 2}, {4, 7}});
    CHECK(set.first_missing() == 2);
    CHECK(set.first_missing(4) == 7);
    CHECK(set.missing({0, 10}) == std::vector<Range>{{2, 4}, {7, 10}});
    CHECK(to_string(set.ranges()) == "0-1,4-6");
    CHECK(to_string({{0, 1}, {5, 6}, {9, 12}}, 2) == "0,5 … (1 more)");
}

TEST_CASE("a range set agrees with a plain set of numbers under random changes") {
    for (unsigned seed = 0; seed < 50; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        RangeSet set;
        std::set<Index> plain;
        for (int i = 0; i < 300; ++i) {
            Index begin = random() % 60, end = begin + random() % 12;
            Index expected = 0;
            if (random() % 2) {
                for (Index k = begin; k < end; ++k) expected += plain.insert(k).second;
                REQUIRE(set.add({begin, end}) == expected);
            } else {
                for (Index k = begin; k < end; ++k) expected += plain.erase(k);
                REQUIRE(set.remove({begin, end}) == expected);
            }
            REQUIRE(set.size() == plain.size());
            Index probe = random() % 75;
            REQUIRE(set.contains(probe) == plain.contains(probe));
            Index missing = probe;
            while (plain.contains(missing)) ++missing;
            REQUIRE(set.first_missing(probe) == missing);
            Index within = 0;
            for (Range part : set.within({begin, begin + 20})) within += part.size();
            Index counted = 0;
            for (Index k = begin; k < begin + 20; ++k) counted += plain.contains(k);
            REQUIRE(within == counted);
            REQUIRE(set.covers({begin, begin + 20}) == (counted == 20));
        }
    }
}

TEST_CASE("a span map agrees with a plain array under random changes") {
    for (unsigned seed = 0; seed < 50; ++seed) {
        CAPTURE(seed);
        std::mt19937 random(seed);
        SpanMap<int> spans;
        std::vector<int> plain(80, 0);  // 0: nothing
        for (int i = 0; i < 300; ++i) {
            Index begin = random() % 60, end = begin + random() % 12;
            int value = static_cast<int>(random() % 4);
            if (value > 0) {
                spans.assign({begin, end}, value);
            } else {
                auto there = spans.within({begin, end});
                auto taken = spans.take({begin, end});
                REQUIRE(taken.size() == there.size());
                for (std::size_t k = 0; k < taken.size(); ++k)
                    REQUIRE((taken[k].range == there[k].range && taken[k].value == there[k].value));
            }
            for (Index k = begin; k < end; ++k) plain[k] = value;
            for (Index k = 0; k < plain.size(); ++k) {
                const int* found = spans.at(k);
                REQUIRE((found ? *found : 0) == plain[k]);
            }
            Index until = spans.same_until(begin);
            for (Index k = begin; k < std::min<Index>(until, plain.size()); ++k)
                REQUIRE(plain[k] == plain[begin]);
            Index covered = 0;
            for (const auto& span : spans.all()) {
                covered += span.range.size();
                for (Index k = span.range.begin; k < span.range.end; ++k)
                    REQUIRE(plain[k] == span.value);
            }
            REQUIRE(covered == static_cast<Index>(std::count_if(plain.begin(), plain.end(),
                                                                [](int v) { return v > 0; })));
        }
    }
}
