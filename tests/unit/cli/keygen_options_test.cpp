#include <doctest/doctest.h>

#include "tests/support/command_line.hpp"

using namespace fanfold::scatterer::cli;

TEST_CASE("keygen makes a key in a folder, for somebody, to do something") {
    CommandLine line = parsed({"keygen", "--keys", "k", "--name", "node-7.example", "--roles",
                               "work,gather", "--trust", "broker.pub"});
    CHECK(line.verb == Verb::keygen);
    CHECK(line.common.keys == "k");
    CHECK(line.keygen.name == "node-7.example");
    CHECK(line.keygen.roles == "work,gather");
    CHECK(line.keygen.trust == "broker.pub");
    CHECK(parsed({"--keys", "k", "keygen"}).keygen.roles == "submit");
    CHECK(parsed({"keygen", "--keys", "k", "--for-broker"}).keygen.for_broker);
}

TEST_CASE("what keygen can't do is refused") {
    CHECK(refusal({"keygen", "--keys", ""}).find("a folder is missing") == 0);
    CHECK(refusal({"keygen", "--keys", "k", "--name", "a b"}).find("--name 'a b'") == 0);
    CHECK(
        refusal({"keygen", "--keys", "k", "--roles", "root"}).find("--roles: 'root' is no role") ==
        0);
    CHECK(refusal({"keygen", "--keys", "k", "more"}).find("unexpected 'more'") == 0);
    CHECK(refusal({"keygen", "--keys", "k", "--for-broker", "--trust", "f"})
              .find("--trust is for those who connect") == 0);
}

TEST_CASE("every verb takes --keys, and an empty one is none") {
    CHECK(parsed({"jobs", "--broker", "tcp://127.0.0.1:1", "--keys", "k"}).common.keys == "k");
    CHECK(parsed({"map", "--keys", "", "echo"}).common.keys == "");
    CHECK_FALSE(parsed({"map", "echo"}).common.keys);
    CHECK(parsed({"map", "--bind", "tcp://0.0.0.0:1", "--insecure", "echo"}).map.insecure);
}
