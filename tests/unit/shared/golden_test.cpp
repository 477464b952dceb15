#include <doctest/doctest.h>

#include "shared/wire/codec.hpp"
#include "tests/support/wire_bytes.hpp"

using namespace fanfold;
using namespace fanfold::wire;
using fanfold::testing::hex;
using fanfold::testing::some_job;

// The bytes on the wire are a promise: a change here is a change of the protocol.
TEST_CASE("golden bytes") {
    CHECK(hex(encode(Accepted{.job = some_job(), .next = 300, .limit = 70000})) ==
          "940cc410018bcfe568007fcd9032547698badcfecd012cce00011170");
    CHECK(hex(encode(Bye{.reason = "done"})) == "9205c404646f6e65");
    CHECK(hex(encode(Gathered{.job = some_job(), .ranges = {{0, 3}}, .held_bytes = 5})) ==
          "9634c410018bcfe568007fcd9032547698badcfe91920003050090");
    CHECK(hex(encode(CancelFragments{.job = some_job(), .ranges = {{3, 4}}})) ==
          "941bc410018bcfe568007fcd9032547698badcfec40091920304");
    CHECK(hex(encode(FragmentsCancelled{.job = some_job(), .fragments = 300})) ==
          "931cc410018bcfe568007fcd9032547698badcfecd012c");
    CHECK(hex(encode(Results{
              .job = some_job(),
              .first = 1,
              .count = 2,
              .meta = {.worker = "w", .started = Microseconds(3), .elapsed = Microseconds(4)}})) ==
          "9528c410018bcfe568007fcd9032547698badcfe010294c40177010304");
    CHECK(hex(encode(Relay{.results = {.first = 1, .count = 2}, .number = 3})) ==
          "942994c41000000000000000000000000000000000010294c400010000c40003");
    CHECK(hex(encode(Holds{.jobs = {{.job = some_job(), .values = 300}}, .last = true})) ==
          "93399194c410018bcfe568007fcd9032547698badcfe0000cd012cc3");
    CHECK(hex(encode(HandedRow{.job = some_job(), .handing = 7, .number = 2, .row = 5})) ==
          "9a44c410018bcfe568007fcd9032547698badcfe0702000500c400c200");
    CHECK(hex(encode(RowTaken{.job = some_job(), .handing = 7, .number = 2})) ==
          "9645c410018bcfe568007fcd9032547698badcfe0702c400c2");
    CHECK(hex(encode(Hello{.role = Role::worker, .name = "w", .slots = 2})) ==
          "9c01010a02c40177920000029096c4009200009090c40000909090");
    CHECK(hex(encode(Heartbeat{.handled = 7, .stuck_slots = 1, .leaving = true})) ==
          "980407909001c3c40090");
    CHECK(hex(encode(Mark{.job = some_job(), .owner = {"w1"}, .number = 3, .position = 9})) ==
          "9508c410018bcfe568007fcd9032547698badcfec40277310309");
    CHECK(hex(encode(Marked{.job = some_job(), .number = 3})) ==
          "9509c410018bcfe568007fcd9032547698badcfec40003c0");
    CHECK(hex(encode(Part{.body_bytes = 300, .header = "h"})) == "9307cd012cc40168");
    CHECK(hex(encode(Collect{.job = some_job(), .credit = 9, .minor = 7})) ==
          "983c01c410018bcfe568007fcd9032547698badcfec2c2000907");
    CHECK(hex(encode(Done{.arrived = 5})) == "981f90909090000590");
    CHECK(hex(encode(Refused{.code = RefusalCode::unknown_session, .text = "Hello?"})) ==
          "94030ac40648656c6c6f3fc0");
    // Integers of every width, a list of more than 15, whole and other numbers, long texts.
    CHECK(hex(encode(Adjust{.job = some_job(), .priority = -1, .weight = 3})) ==
          "9519c410018bcfe568007fcd9032547698badcfeff03c0");
    CHECK(hex(encode(Adjust{.job = some_job(), .priority = -70'000, .weight = -0.5})) ==
          "9519c410018bcfe568007fcd9032547698badcfed2fffeee90cbbfe0000000000000c0");
    CHECK(hex(encode(Adjust{.job = some_job(), .priority = -200, .max_running = 1u << 31})) ==
          "9519c410018bcfe568007fcd9032547698badcfed1ff38c0ce80000000");
    CHECK(
        hex(encode(Query{.number = 1ull << 40, .selector = std::string(200, 'a')})).substr(0, 28) ==
        "9513cf000001000000000001c4c8");
    CHECK(hex(encode(Find{.key = std::string(300, 'a')})).substr(0, 14) == "941500c5012c61");
    CHECK(hex(encode(Welcome{.minor = 5, .blocks = std::vector<std::string>(16, "b")}))
              .substr(0, 26) == "9c020105920000dc0010c40162");
}
