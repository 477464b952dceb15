#include "shared/security/roles.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <utility>

#include "shared/security/keys.hpp"

using namespace fanfold;

namespace {
constexpr std::uint8_t no_roles = 0, submit = 1, work = 2, gather = 4, admin = 8, all = 15;

/// For each message, the roles of which one is enough.
const std::map<std::string, std::uint8_t> wanted{{"Heartbeat", all},
                                                 {"Bye", all},
                                                 {"Mark", submit | admin | work},
                                                 {"Marked", gather},
                                                 {"Block", submit},
                                                 {"Seal", submit},
                                                 {"Find", submit},
                                                 {"Cancel", submit | admin},
                                                 {"CancelFragments", submit | admin},
                                                 {"Watch", submit | admin},
                                                 {"Query", submit | admin},
                                                 {"Retry", submit | admin},
                                                 {"Adjust", submit | admin},
                                                 {"Forget", submit | admin},
                                                 {"Drain", admin},
                                                 {"Collect", submit | admin},
                                                 {"Acknowledge", submit | admin},
                                                 {"Done", work},
                                                 {"Results", work},
                                                 {"Relay", work},
                                                 {"Gathered", gather},
                                                 {"Propose", gather},
                                                 {"Forgotten", gather},
                                                 {"Holds", gather},
                                                 {"Described", gather},
                                                 {"HandedRow", gather},
                                                 {"RowTaken", gather},
                                                 {"Welcome", no_roles},
                                                 {"Refused", no_roles},
                                                 {"Accepted", no_roles},
                                                 {"Sealed", no_roles},
                                                 {"Located", no_roles},
                                                 {"Notice", no_roles},
                                                 {"Ended", no_roles},
                                                 {"Report", no_roles},
                                                 {"Drained", no_roles},
                                                 {"HandOver", no_roles},
                                                 {"Found", no_roles},
                                                 {"Retried", no_roles},
                                                 {"Adjusted", no_roles},
                                                 {"FragmentsCancelled", no_roles},
                                                 {"Dispatch", no_roles},
                                                 {"Release", no_roles},
                                                 {"Drop", no_roles},
                                                 {"SendAgain", no_roles},
                                                 {"Recall", no_roles},
                                                 {"Examine", no_roles},
                                                 {"Assign", no_roles},
                                                 {"Errors", no_roles},
                                                 {"AllowedKeys", no_roles},
                                                 {"Describe", no_roles},
                                                 {"Values", no_roles},
                                                 {"Failures", no_roles},
                                                 {"Concluded", no_roles}};

template <class Each, std::size_t... i>
void for_each_message(Each each, std::index_sequence<i...>) {
    (each(wire::Message{std::in_place_index<i>}), ...);
}
}  // namespace

TEST_CASE("each message wants one of its roles") {
    std::size_t seen = 0;
    for_each_message(
        [&](const wire::Message& message) {
            std::string name = wire::name_of(message);
            if (name == "Hello") return;
            ++seen;
            CAPTURE(name);
            REQUIRE(wanted.contains(name));
            for (std::uint8_t bits = 0; bits <= all; ++bits) {
                CAPTURE(to_string(Roles{bits}));
                CHECK(may(Roles{bits}, message) == ((bits & wanted.at(name)) != 0));
            }
        },
        std::make_index_sequence<std::variant_size_v<wire::Message>>{});
    CHECK(seen == wanted.size());
}

TEST_CASE("a Hello wants the role that it claims") {
    for (auto [role, enough] : {std::pair{wire::Role::client, submit | admin},
                                {wire::Role::worker, +work},
                                {wire::Role::gatherer, +gather}})
        for (std::uint8_t bits = 0; bits <= all; ++bits)
            CHECK(may(Roles{bits}, wire::Hello{.role = role}) == ((bits & enough) != 0));
}
