// What a broker says of its workers and gatherers. Plain values.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace fanfold {

/// So much of something that a worker has, or that a fragment takes while it runs: memory in bytes,
/// licences, devices.
struct ResourceAmount {
    std::string name = {};
    std::uint64_t amount = 0;
    auto operator<=>(const ResourceAmount&) const = default;
};

struct WorkerStatus {
    std::string name = {};
    std::uint32_t slots = 0;
    std::uint32_t stuck_slots = 0;
    std::uint64_t running = 0, finished = 0;  // fragments
    std::vector<std::string> functions = {};
    std::chrono::milliseconds silent{0};  // since its last message
    std::vector<std::string> labels = {};
    std::vector<ResourceAmount> resources = {};  // all that it has, taken or not
    bool leaving = false;                        // it ends what runs, and gets nothing more
    /// A gatherer that it can't connect to: it gets no work of that one's jobs.
    struct Unreached {
        std::string gatherer = {}, endpoint = {};
        std::chrono::milliseconds since{0};
    };
    std::vector<Unreached> unreached = {};
    std::string trouble = {};  // why it gets nothing at present; empty: it is well
};

struct GathererStatus {
    std::string name = {};
    std::string version = {};              // of the protocol that it speaks
    std::string address = {};              // of its host, where the transport has any
    std::uint64_t running = 0, ended = 0;  // jobs; ended ones that nobody can ask for are left out
    bool draining = false;                 // it gets no new jobs, and its own go to others
    std::string trouble = {};  // why it can store nothing, or why its jobs stay; empty: it is well
};

}  // namespace fanfold
