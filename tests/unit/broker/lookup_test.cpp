// The map that is walked in order and found by hash, against one that is not.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <string>

#include "broker/books/lookup.hpp"

using namespace fanfold;
using namespace fanfold::broker;

TEST_CASE("an indexed map finds what a map finds, and is walked as it is") {
    std::mt19937_64 random(7);
    IndexedMap<PeerId, int> indexed;
    std::map<PeerId, int> plain;
    for (int i = 0; i < 2000; ++i) {
        PeerId peer{std::string(random() % 20, 'p') + std::to_string(random() % 60)};
        if (random() % 3 > 0) {
            CHECK(indexed.try_emplace(peer, i).second == plain.try_emplace(peer, i).second);
            indexed[peer] += 1;
            plain[peer] += 1;
        } else {
            indexed.erase(peer);
            plain.erase(peer);
        }
        REQUIRE(indexed.size() == plain.size());
        REQUIRE(std::equal(indexed.begin(), indexed.end(), plain.begin(), plain.end()));
        REQUIRE(indexed.contains(peer) == plain.contains(peer));
        auto found = indexed.find(peer);
        REQUIRE((found == indexed.end()) == !plain.contains(peer));
        if (found != indexed.end())
            REQUIRE((found->second == plain.at(peer) && indexed.at(peer) == plain.at(peer)));
    }
}

TEST_CASE("names that differ little have hashes that differ") {
    NameHash hash;
    std::map<std::size_t, int> slots;
    for (std::uint64_t number = 0; number < 10'000; ++number) {
        ++slots[hash(make_job_id(std::chrono::milliseconds(number), 0, number)) % 1024];
        ++slots[hash(PeerId{"worker-" + std::to_string(number)}) % 1024];
    }
    for (const auto& [slot, count] : slots) CHECK(count < 60);  // 20 on average
    CHECK(hash(PeerId{"a"}) != hash(PeerId{std::string("a\0", 2)}));
}
