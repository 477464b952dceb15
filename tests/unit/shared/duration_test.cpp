#include "shared/base/duration.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <utility>
#include <vector>

using namespace fanfold;
using namespace std::chrono_literals;

TEST_CASE("durations are read in all accepted forms") {
    const std::vector<std::pair<const char*, Duration>> cases{
        {"0", 0ns},
        {"0s", 0ns},
        {"1", 1s},
        {"0.5", 500ms},
        {".25", 250ms},
        {"500ms", 500ms},
        {"10s", 10s},
        {"1h30m", 90min},
        {"2d", 48h},
        {"7us", 7us},
        {"3ns", 3ns},
        {"1.5h", 90min},
        {"1d2h3m4s5ms6us7ns", 26h + 3min + 4s + 5ms + 6us + 7ns},
        {"0.0000000019", 1ns},
        {"90m", 90min},
        {"36500d", 876000h},
        {"007s", 7s},
        {"0.1234567891s", 123456789ns}};
    for (auto [text, expected] : cases) {
        CAPTURE(text);
        Result<Duration> duration = parse_duration(text);
        REQUIRE(duration);
        CHECK(duration->count() == expected.count());
    }
}

TEST_CASE("bad durations are refused with the value and the accepted forms") {
    for (const char* text : {"",           "-1",
                             "-5s",        "5x",
                             "s",          "1.",
                             ".",          "1..2",
                             "1 s",        " 1",
                             "1s ",        "+1",
                             "1e3",        "inf",
                             "nan",        "1h30",
                             "30m1h",      "1s1s",
                             "1S",         "36501d",
                             "101000000h", "99999999999999999999999",
                             "1.5.5s",     "5ms3"}) {
        CAPTURE(text);
        Result<Duration> duration = parse_duration(text);
        REQUIRE(!duration);
        CHECK(duration.error().text.find("'" + std::string(text) + "'") != std::string::npos);
        CHECK(duration.error().text.find("1h30m") != std::string::npos);
    }
    CHECK(parse_duration("5x").error().text.find("'x' is no unit") != std::string::npos);
    CHECK(parse_duration("-1").error().text.find("negative") != std::string::npos);
    CHECK(parse_duration("36501d").error().text.find("100 years") != std::string::npos);
}

TEST_CASE("durations are written for people") {
    const std::vector<std::pair<Duration, const char*>> cases{
        {0ns, "0ns"},       {35ns, "35ns"},
        {999ns, "999ns"},   {1us, "1us"},
        {1500ns, "1.5us"},  {35ms, "35ms"},
        {1500us, "1.5ms"},  {9960us, "10ms"},
        {999600us, "1s"},   {1200ms, "1.2s"},
        {12340ms, "12.3s"}, {59949ms, "59.9s"},
        {59950ms, "1m"},    {60s, "1m"},
        {130s, "2m10s"},    {3599s, "59m59s"},
        {3599600ms, "1h"},  {90min, "1h30m"},
        {24h, "1d"},        {51h, "2d3h"},
        {-1500ms, "-1.5s"}, {Duration::min(), "-100y"}};
    for (auto [duration, expected] : cases) CHECK(to_string(duration) == expected);
    CHECK(to_string(Duration::max()) == "106752d");
}

TEST_CASE("sizes are powers of 1024 in either case") {
    const std::vector<std::pair<const char*, std::uint64_t>> cases{
        {"0", 0},
        {"1048576", 1 << 20},
        {"512k", 512 << 10},
        {"512K", 512 << 10},
        {"64M", 64 << 20},
        {"64MiB", 64 << 20},
        {"64mib", 64 << 20},
        {"64MB", 64 << 20},
        {"1G", 1ull << 30},
        {"2t", 2ull << 40},
        {"100B", 100},
        {"15E", 15ull << 60},
        {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()}};
    for (auto [text, expected] : cases) {
        CAPTURE(text);
        Result<std::uint64_t> size = parse_size(text);
        REQUIRE(size);
        CHECK(*size == expected);
    }
    for (const char* text : {"", "-1", "k", "1.5G", "1kk", "1x", "1iB", "1Mi", "1 M", "16E",
                             "18446744073709551616", "1Bi", "1MiBB"}) {
        CAPTURE(text);
        Result<std::uint64_t> size = parse_size(text);
        REQUIRE(!size);
        CHECK(size.error().text.find("'" + std::string(text) + "'") != std::string::npos);
        CHECK(size.error().text.find("512k") != std::string::npos);
    }
}
