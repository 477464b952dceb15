// Messages of earlier minor versions, which have fewer fields.
#include <doctest/doctest.h>

#include "shared/wire/codec.hpp"
#include "shared/wire/fields.hpp"

using namespace fanfold;
using namespace fanfold::wire;

TEST_CASE("a heartbeat of an earlier minor version says that its worker stays") {
    auto heartbeat = decode("\x95\x04\x07\x90\x90\x01");
    REQUIRE(heartbeat);
    CHECK(std::get<Heartbeat>(*heartbeat).stuck_slots == 1);
    CHECK_FALSE(std::get<Heartbeat>(*heartbeat).leaving);
    CHECK(std::get<Heartbeat>(*heartbeat).trouble.empty());
    CHECK(std::get<Heartbeat>(*heartbeat).unreached.empty());
}

TEST_CASE("a hello with as few fields as can be is one, and a version that it leaves out is 0") {
    auto hello_of = [](std::string_view bytes) {
        auto message = decode(bytes);
        REQUIRE(message);
        return std::get<Hello>(*message);
    };
    CHECK(hello_of("\x91\x01").major == 0);
    CHECK(hello_of("\x92\x01\x09").major == 9);
    const Hello ours = hello_of("\x92\x01\x01");
    CHECK(ours.major == version_major);
    CHECK(ours.minor == 0);
    CHECK(ours.role == Role::client);
    CHECK(hello_of("\x94\x01\x01\x05\x02").role == Role::worker);
}

TEST_CASE(
    "a specification of an earlier minor version is part of nothing, and runs again by itself") {
    std::string spec = fields::encode_fields(JobSpec{.function = "f"});
    // outer, rerun, rerun_after, cwd_identity
    REQUIRE(spec.ends_with(std::string("\x90\x01\x00\xc4\x00", 5)));
    spec.resize(spec.size() - 5);
    spec[2] = static_cast<char>(spec[2] - 4);  // of the array's 16 bit length
    auto earlier = fields::decode_fields<JobSpec>(spec);
    REQUIRE(earlier);
    CHECK(earlier->function == "f");
    CHECK(earlier->outer.empty());
    CHECK(earlier->rerun == Rerun::automatic);
    CHECK(earlier->cwd_identity.empty());
}
