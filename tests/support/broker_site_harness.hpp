// A stage for the broker's core on which workers come and go, and their times are taught.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "tests/support/broker_harness.hpp"

namespace fanfold::broker {

/// A gatherer, a client, and no worker yet; nobody minds what is not looked at.
struct Site : Stage {
    Site() {
        ignore<wire::Accepted, wire::Assign, wire::Dispatch, wire::Ended, wire::Errors,
               wire::Sealed>();
        client("c");
        gatherer("g");
    }
    void join(const char* name, wire::Hello hello = {}) {
        hello.role = wire::Role::worker;
        hello.name = name;
        hello.epoch = {0, 1};
        hello.slots = std::max(hello.slots, 1u);
        hello.functions = {"f"};
        say(name, hello);
        expect<wire::Welcome>(name);
    }
    /// Opens job n with `count` one-byte payloads and its seal.
    JobId open(std::uint64_t n, std::uint32_t count, wire::JobSpec spec = Stage::spec()) {
        constexpr std::uint32_t most = 200;  // in a block
        for (Index first = 0; first < count; first += most) {
            wire::Block block{.job = job_number(n), .token = 1, .first = first, .stride = most};
            block.count = static_cast<std::uint32_t>(std::min<Index>(most, count - first));
            if (first == 0) block.spec = spec;
            if (first + block.count == count) block.total = count;
            Stage::block(block, Slice::take(std::string(block.count, '\x07')));
        }
        return job_number(n);
    }
    /// What was dispatched to the worker and not looked at yet.
    std::vector<wire::Dispatch> dispatched(const char* name) {
        return expect_all<wire::Dispatch>(name);
    }
    /// Runs a job of `count` fragments on the only worker, so that the time of a fragment is known.
    void teach(const char* name, Duration each, std::uint32_t count = 100) {
        JobId job = open(900, count);
        for (auto chunks = dispatched(name); !chunks.empty(); chunks = dispatched(name))
            for (const auto& chunk : chunks)
                done(name, job, {chunk.first, chunk.first + chunk.count}, chunk.count * each);
        say("g", wire::Gathered{.job = job, .ranges = {{0, count}}});
        say("g", wire::Propose{.job = job,
                               .assignment = 1,
                               .outcome = wire::Outcome::complete,
                               .every_value = true});
        skip<wire::Drop>(name);
    }
    void recalled(const char* name, std::uint64_t number, JobId job, std::vector<Range> ranges) {
        wire::Done done{.recall = number};
        if (!ranges.empty()) done.recalled = {{job, std::move(ranges)}};
        say(name, std::move(done));
    }
    const Job& job(JobId id) const { return core->jobs().at(id); }
};

}  // namespace fanfold::broker
